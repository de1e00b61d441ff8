import type { LogPosition, Manifest, ManifestFile, Population } from './format.ts';

/** Which records of the log each population is the fold of, and how. */
const QUERIES: Readonly<Record<Population, string>> = {
  ...entity('persons', 'person'),
  ...entity('principals', 'principal', 'with the time of its last session or credential'),
  ...entity('resources', 'resource', 'with its last session and the masks on it'),
  ...entity('grants', 'grant'),
  ...entity('credentials', 'credential'),
  ...entity('delegations', 'delegation'),
  ...entity('bindings', 'binding'),
  ...entity('trust', 'trust'),
  ...entity('masks', 'mask'),
  ...entity('notices', 'notice'),
  sessions: 'session.opened, session.closed and session.refused, one row for each session, by its opening',
  erasures: 'payload.erased, one row for each',
  ...entity('legal_holds', 'legal_hold'),
  retention: 'change records of entity retention, one row for each',
  parameter_sets: 'change records of entity parameters, one row for each',
  ...entity('authenticators', 'authenticator'),
  ...entity('identity_providers', 'identity_provider'),
  ...entity('directories', 'directory'),
  ...entity('groups', 'group'),
  ...entity('policies', 'policy'),
  ...entity('requests', 'request'),
  ...entity('reviews', 'review'),
  ...entity('review_items', 'review_item'),
  ...entity('log_reviews', 'log_review'),
  ...entity('alerts', 'alert'),
  ...entity('channels', 'channel'),
  ...entity('links', 'link'),
  ...entity('sinks', 'sink', 'with what sink.delivered, sink.failed and sink.recovered say of it'),
  ...entity('reconciliations', 'reconciliation'),
  ...entity('unmanaged', 'unmanaged'),
  grant_rights:
    'change records of entity grant: one row for each right in the scope of each that is active, on PostgreSQL',
  administrators:
    'change records of entity person, one row for each role from when it was given until it was taken, with the kinds of the active authenticators of the person',
  log_health:
    'ledger.*, service.*, vault.key.rotated, retention.changed, legal_hold.*, payload.erased and evidence.exported, one row for what each tells',
};

function entity<P extends Population>(population: P, name: string, more?: string): Record<P, string> {
  const query = `change records of entity ${name}: what the last one says of each, by the first${more === undefined ? '' : `, ${more}`}`;
  return { [population]: query } as Record<P, string>;
}

/** What `populations/index.json` is made from. */
export interface PopulationIndexFacts {
  readonly manifest: Pick<Manifest, 'parameters' | 'coverage'> & { readonly log: LogPosition };
  readonly rows: ReadonlyMap<Population, number>;
  /** At least those of the populations. */
  readonly files: readonly ManifestFile[];
}

/** What each population is: by which query, with which parameters, as of which log position, how many rows, and their digests. */
export function populationIndex({ manifest, rows, files }: PopulationIndexFacts): string {
  const { log, coverage, parameters } = manifest;
  const digests = new Map(files.map((file) => [file.path, file]));
  const populations = [...rows].map(([population, count]) => {
    const file = (ending: string): ManifestFile | undefined =>
      digests.get(`populations/${population}.${ending}`);
    return {
      population,
      query: QUERIES[population],
      rows: count,
      ndjson: file('ndjson') ?? null,
      csv: file('csv') ?? null,
    };
  });
  const index = {
    asOf: { origin: log.origin, size: log.size, root: log.root, time: log.time },
    leaves:
      coverage === 'log'
        ? 'all'
        : 'those of the principal, of what they refer to, and of what holds for everybody',
    parameters: { principal: parameters.principal },
    populations,
  };
  return `${JSON.stringify(index, null, 2)}\n`;
}
