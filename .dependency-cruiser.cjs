// Imports point down only (docs/architecture.md, "Who may import whom"). Biome finds cycles: it can tell those of
// types alone, which vanish when the code runs.
const rooms = {
  core: [],
  store: ['core'],
  vault: ['core', 'store'],
  ledger: ['core', 'store'],
  masking: ['core'],
  identity: ['core', 'store', 'vault', 'ledger', 'masking'],
  notify: ['core', 'store', 'vault', 'identity'],
  access: ['core', 'store', 'vault', 'ledger', 'masking', 'identity', 'notify', 'protocols'],
  activity: ['core', 'store', 'vault', 'ledger', 'masking', 'identity'],
  evidence: ['core', 'store', 'vault', 'ledger', 'masking', 'identity', 'access', 'activity'],
  api: [
    'core',
    'store',
    'vault',
    'ledger',
    'masking',
    'identity',
    'notify',
    'access',
    'activity',
    'evidence',
    'gateway',
  ],
  protocols: ['core', 'masking'],
  gateway: ['core', 'ledger', 'protocols'],
  // The command line is the top: `serve` starts every room, the other commands speak to the API.
  cli: [
    'core',
    'store',
    'vault',
    'ledger',
    'masking',
    'identity',
    'notify',
    'access',
    'activity',
    'evidence',
    'api',
    'gateway',
  ],
};
const forbidden = Object.entries(rooms).map(([room, below]) => ({
  name: `${room}-imports-down`,
  severity: 'error',
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: [room, ...below].map((r) => `^src/${r}/`) },
}));
module.exports = {
  forbidden: [
    ...forbidden,
    {
      name: 'protocols-know-only-themselves',
      severity: 'error',
      from: { path: '^src/protocols/([^/]+)/' },
      to: { path: '^src/protocols/[^/]+/', pathNot: '^src/protocols/$1/' },
    },
    {
      name: 'no-dev-dependencies-in-src',
      severity: 'error',
      from: { path: '^src/', pathNot: '[.]test[.]ts$' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    parser: 'swc',
    tsPreCompilationDeps: true,
    enhancedResolveOptions: { extensions: ['.ts', '.js'] },
  },
};
