import type { Assessment, AssessmentResult, Framework } from '../assess/types.ts';
import { line, value } from './text.ts';
import { uuid5 } from './uuid.ts';

/** The version of OSCAL that is written. */
export const OSCAL_VERSION = '1.2.1';
/** Of Postern's own properties: a name that is nobody else's and needs no registry. */
const NS = 'urn:uuid:20c92eb2-4ac0-4846-9251-5eb369f4f77a';
/** The catalogue of SP 800-53 as its makers publish it in OSCAL. */
const CATALOG_800_53 =
  'https://raw.githubusercontent.com/usnistgov/oscal-content/main/nist.gov/SP800-53/rev5/json/NIST_SP-800-53_rev5_catalog.json';
export const NIST_800_53 = 'nist-800-53';

export type Json = string | number | boolean | null | readonly Json[] | { readonly [key: string]: Json };
export type JsonObject = { readonly [key: string]: Json };

/** What all files of one package are made from, and what they call each other. */
export interface OscalFacts {
  readonly framework: Framework;
  readonly assessment: Assessment;
}

/** Uuids of things in the files of one package: of the log, the position, the framework and the period. */
export class Ids {
  readonly #seed: string;
  readonly #origin: string;

  constructor({ assessment: { asOf, framework, period } }: OscalFacts) {
    this.#origin = asOf.origin;
    this.#seed = [asOf.origin, asOf.size, asOf.root, framework.id, framework.sha256]
      .concat([period.since, period.until])
      .join('\n');
  }

  /** Of something that is another one in each package. */
  of(kind: string, ...name: readonly (string | number)[]): string {
    return uuid5(this.#seed, kind, ...name);
  }

  /** Of the gateway that is assessed: the same in all packages of one log. */
  get gateway(): string {
    return uuid5(this.#origin, 'gateway');
  }

  /** Of what does the assessment: the same everywhere. */
  get tool(): string {
    return uuid5('tool', 'postern evidence');
  }
}

/** A property of Postern's own. */
export function prop(name: string, content: string | number): JsonObject {
  return { name, ns: NS, value: value(String(content)) };
}

/** An array under its name; nothing where it is empty, since OSCAL has no empty arrays. */
export function some(name: string, items: readonly Json[]): JsonObject {
  return items.length === 0 ? {} : { [name]: items };
}

/** When the facts were last added to: no clock has a part in a file. */
export function asOfTime({ asOf, period }: Assessment): string {
  return asOf.time ?? period.since;
}

/** Where and of what the facts are. */
export function positionProps({ asOf, period, framework }: Assessment): readonly JsonObject[] {
  return [
    prop('log-origin', asOf.origin),
    prop('checkpoint-size', asOf.size),
    prop('checkpoint-root', asOf.root),
    prop('period', period.name),
    prop('time-zone', period.zone),
    prop('framework-sha256', framework.sha256),
  ];
}

export function metadata(title: string, facts: OscalFacts): JsonObject {
  const { assessment } = facts;
  return {
    title: line(title),
    'last-modified': asOfTime(assessment),
    version: value(`${assessment.asOf.size}`),
    'oscal-version': OSCAL_VERSION,
    props: positionProps(assessment),
    remarks:
      'Written by Postern from the records of its log. It is evidence of operation: what the records show of each objective, and no statement that a control is met.',
  };
}

/** Whether the controls are those of a catalogue that others publish. */
export function isPublished({ id }: Pick<Framework, 'id'>): boolean {
  return id === NIST_800_53;
}

/** Where control ids are looked up. */
export function catalogHref(framework: Pick<Framework, 'id'>): string {
  return isPublished(framework) ? CATALOG_800_53 : 'catalog.json';
}

/** What is controlled: the gateway whose log it is. */
export function gatewayComponent(facts: OscalFacts, ids: Ids): JsonObject {
  return {
    uuid: ids.gateway,
    type: 'system',
    title: line(`Postern gateway ${facts.assessment.asOf.origin}`),
    description:
      'The gateway through which machine identities reach their resources, and the log that it keeps of them.',
    props: [prop('log-origin', facts.assessment.asOf.origin)],
    status: { state: 'operational' },
  };
}

/** What computes the results. */
export function toolAssets(ids: Ids): JsonObject {
  return {
    components: [
      {
        uuid: ids.tool,
        type: 'software',
        title: 'Postern evidence',
        description:
          'Folds the records of the log into populations and runs one query for each objective over them. `postern verify` runs the same again.',
        status: { state: 'operational' },
      },
    ],
    'assessment-platforms': [
      {
        uuid: ids.of('platform'),
        title: 'Postern evidence export',
        'uses-components': [{ 'component-uuid': ids.tool }],
      },
    ],
  };
}

/** Who says so. */
export function origins(ids: Ids): readonly JsonObject[] {
  return [{ actors: [{ type: 'tool', 'actor-uuid': ids.tool }] }];
}

/** The controls and objectives that were looked at. */
export function reviewedControls(controls: readonly string[], objectives: readonly string[]): JsonObject {
  return {
    'control-selections': [
      { 'include-controls': [...new Set(controls)].map((id) => ({ 'control-id': id })) },
    ],
    ...some(
      'control-objective-selections',
      objectives.length === 0
        ? []
        : [{ 'include-objectives': [...new Set(objectives)].map((id) => ({ 'objective-id': id })) }],
    ),
  };
}

/** Whether it was put to a query. */
export function isComputed({ outcome }: AssessmentResult): boolean {
  return outcome !== 'organizational';
}

/** What a reader calls an objective: `AC-2(3) d`, `II.C.7.B reason`. */
export function label(id: string): string {
  const [control = '', ...rest] = id.split('_');
  const name = control.toUpperCase().replace(/^([A-Z]{2}-\d+)\.(\d+)$/, '$1($2)');
  const objective = rest.join('_').replace(/^obj\./, '');
  return objective === '' ? name : `${name} ${objective}`;
}
