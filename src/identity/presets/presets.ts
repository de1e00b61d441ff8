import { PosternError } from '../../core/errors.ts';
import { BUILDKITE, CIRCLECI, GITHUB, GITLAB } from './ci.ts';
import { AWS_WEB_IDENTITY, AZURE, GCP, KUBERNETES } from './clouds.ts';
import { FORMS, type Preset } from './preset.ts';

export const PRESETS: readonly Preset[] = [
  ...[GITHUB, GITLAB, BUILDKITE, CIRCLECI],
  ...[KUBERNETES, AWS_WEB_IDENTITY, GCP, AZURE],
];

/** Of every platform that is not known, since nothing more is known of it. */
const COMMON_LOGGED: readonly string[] = ['sub', 'client_id', 'azp'];

export const presetNamed = (name: string | undefined): Preset | undefined =>
  PRESETS.find((preset) => preset.name === name);

/** The platform whose tokens an issuer gives, whether or not a binding says so. */
export const presetOfIssuer = (issuer: string): Preset | undefined =>
  PRESETS.find(({ issuer: { known } }) => known?.test(issuer));

/** Claims that are recorded when a token of a binding is taken, besides those that it asks for. */
export const loggedBy = (preset: string | undefined): readonly string[] =>
  presetNamed(preset)?.logged ?? COMMON_LOGGED;

/** What a preset makes of the values that somebody gave. */
export interface PresetBinding {
  readonly issuer: string;
  readonly claims: Readonly<Record<string, string>>;
  readonly contains: Readonly<Record<string, string>>;
}

/**
 * The issuer and claims of a binding by a preset.
 *
 * @param values by flag
 * @param issuer where it is not the usual one
 * @throws PosternError POSTERN_INVALID naming what is missing
 */
export function applyPreset(
  preset: Preset,
  values: Readonly<Record<string, string | undefined>>,
  issuer: string | undefined,
): PresetBinding {
  const claims: Record<string, string> = { ...preset.always };
  const contains: Record<string, string> = {};
  for (const { flag, claim, list } of preset.claims) {
    const value = values[flag];
    if (value !== undefined) (list ? contains : claims)[claim] = value;
  }
  const usual = preset.issuer.usual?.replace(/\{(.+)\}/, (_, claim: string) => claims[claim] ?? '') ?? null;
  const of = issuer ?? usual;
  if (of === null)
    throw new PosternError(
      'POSTERN_INVALID',
      `The preset ${preset.name} needs the issuer: there is no usual one.`,
      'Write it exactly as the claim "iss" of a token has it.',
    );
  checkPreset(preset, { issuer: of, claims, contains });
  return { issuer: of, claims, contains };
}

/**
 * Whether a binding says what its preset asks for, and nothing that the preset does not know.
 *
 * @throws PosternError POSTERN_INVALID
 */
export function checkPreset(preset: Preset, { issuer, claims, contains }: PresetBinding): void {
  const invalid = (message: string, hint?: string): PosternError =>
    new PosternError('POSTERN_INVALID', message, hint);
  if (!preset.issuer.like.test(issuer))
    throw invalid(`${issuer} is no issuer of ${preset.about}.`, 'Without a preset, any issuer can be bound.');
  for (const { flag, claim, about, required, list, form } of preset.claims) {
    const value = (list ? contains : claims)[claim];
    if (value === undefined && required)
      throw invalid(`A binding to ${preset.about} needs ${claim}: ${about}.`, `Give --${flag}.`);
    if (value !== undefined && !FORMS[form].test(value))
      throw invalid(`${claim} is ${form}, not ${JSON.stringify(value.slice(0, 100))}.`, `It is ${about}.`);
  }
  for (const [claim, value] of Object.entries(preset.always))
    if (claims[claim] !== value)
      throw invalid(`A binding to ${preset.about} always asks for ${claim}=${value}.`);
  const known = (name: string, list: boolean): boolean =>
    (!list && Object.hasOwn(preset.always, name)) ||
    preset.claims.some((each) => each.claim === name && (each.list ?? false) === list);
  const strange =
    Object.keys(claims).find((name) => !known(name, false)) ??
    Object.keys(contains).find((name) => !known(name, true));
  if (strange !== undefined)
    throw invalid(
      `The preset ${preset.name} does not know the claim ${strange}.`,
      `It knows ${preset.claims.map(({ claim }) => claim).join(', ')}.`,
    );
  // The tenant that is in the name of an issuer and the one that is bound are one.
  const usual = preset.issuer.usual?.match(/\{(.+)\}/)?.[1];
  if (usual !== undefined && !issuer.includes(claims[usual] ?? '\n'))
    throw invalid(`The issuer is of another tenant than ${usual} says.`);
}
