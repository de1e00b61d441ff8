/** Pieces of checks that several migrations share. */

/** A column that holds a time. */
export const TIME = "GLOB '????-??-??T??:??:??.??????Z'";
/** A column that holds a plain name. */
export const NAME = (column: string): string =>
  `length(${column}) BETWEEN 2 AND 63 AND ${column} GLOB '[a-z0-9]*' AND ${column} NOT GLOB '*[^a-z0-9._-]*'`;
