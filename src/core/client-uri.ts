/**
 * The name of a principal in its client certificates, as a URI in the subject alternative name.
 *
 * @see https://www.rfc-editor.org/rfc/rfc5280#section-4.2.1.6
 */
export const clientUri = (principal: string): string => `postern://principal/${principal}`;
