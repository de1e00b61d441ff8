import { Command } from 'commander';
import { describeFailure, usageError } from './support/failure.ts';

/** A file of commands: it adds its own to the program. */
interface CommandFile {
  register(program: Command): void;
}

/** Every command at the top, with the file it is in. A file is read only when one of its commands is called. */
const COMMANDS: readonly (readonly [name: string, summary: string, load: () => Promise<CommandFile>])[] = [
  ['serve', 'start Postern: the API and the gateway', () => import('./serve.ts')],
  ['setup', 'become the first administrator of a new installation', () => import('./setup.ts')],
  ['login', 'sign in, and remember it for later commands', () => import('./login.ts')],
  ['logout', 'end your session, here and on the server', () => import('./logout.ts')],
  ['whoami', 'show who the API takes you for', () => import('./whoami.ts')],
  ['provider', 'OpenID providers through which people sign in', () => import('./provider.ts')],
  ['directory', 'directories that tell of joiners and leavers (SCIM)', () => import('./directory.ts')],
  ['person', 'people who administer, own, approve, review or audit', () => import('./person.ts')],
  ['principal', 'machine identities and their owners', () => import('./principal.ts')],
  ['resource', 'upstream systems, with the credential Postern holds for them', () => import('./resource.ts')],
  ['unmanaged', 'what is at resources and not of Postern', () => import('./unmanaged.ts')],
  ['apply', 'make principals, bindings, resources and mask rules what files say', () => import('./apply.ts')],
  ['grant', 'who may do what, where, until when, and on whose authority', () => import('./grant.ts')],
  ['policy', 'who may ask for what, and who has to agree', () => import('./policy.ts')],
  ['request', 'ask for access, and decide on what others ask for', () => import('./request.ts')],
  ['review', 'people decide anew on grants and principals', () => import('./review.ts')],
  [
    'alert',
    'what principals did out of the ordinary, and what people make of it',
    () => import('./alert.ts'),
  ],
  ['binding', 'how principals prove themselves without a secret of Postern', () => import('./binding.ts')],
  [
    'trust-domain',
    'SPIFFE trust domains whose SVIDs prove principals',
    async () => ({ register: (await import('./trust.ts')).registerTrustDomain }),
  ],
  [
    'client-ca',
    'authorities whose client certificates prove principals',
    async () => ({ register: (await import('./trust.ts')).registerClientCa }),
  ],
  [
    'ssh-ca',
    'SSH authorities whose user certificates prove principals',
    async () => ({ register: (await import('./trust.ts')).registerSshCa }),
  ],
  ['join', 'enrol a key pair of this machine', () => import('./join.ts')],
  [
    'assertion',
    'print an assertion of the key that joined',
    async () => ({ register: (await import('./join.ts')).registerAssertion }),
  ],
  ['mask', 'what is shown only masked, to whom and where', () => import('./mask.ts')],
  [
    'credential',
    'short-lived passwords and client certificates of principals',
    () => import('./credential.ts'),
  ],
  ['exchange', 'exchange a token of the platform for a credential', () => import('./exchange.ts')],
  ['delegation', 'on whose behalf principals act', () => import('./delegation.ts')],
  ['kube-credential', 'print a credential for kubectl (exec plugin)', () => import('./kube-credential.ts')],
  ['ca', 'keys with which Postern signs credentials', () => import('./ca.ts')],
  ['run', 'run a command as a principal, under a grant that ends with it', () => import('./run.ts')],
  ['session', 'live sessions', () => import('./session.ts')],
  ['activity', 'what was done, by whom, and on whose authority', () => import('./activity.ts')],
  ['sink', 'where the events of the log go continuously', () => import('./sink.ts')],
  ['evidence', 'write an evidence package', () => import('./evidence.ts')],
  ['verify', 'verify an evidence package, a proof or a log', () => import('./verify.ts')],
  ['verify-page', 'print the page that verifies packages in a browser', () => import('./verify-page.ts')],
  ['prove', 'prove that a record is in the log', () => import('./prove.ts')],
  ['payload', 'destroy texts that must not be kept', () => import('./payload.ts')],
  ['hold', 'legal holds: what must not be destroyed', () => import('./hold.ts')],
  [
    'lifecycle',
    'when principals are suspended that nobody answers for, or nobody uses',
    () => import('./lifecycle.ts'),
  ],
  ['notices', 'what somebody has to be told', () => import('./notices.ts')],
  ['channel', 'where people are told of something: webhooks, Slack, e-mail', () => import('./channel.ts')],
  ['link', 'by what you decide on requests from elsewhere', () => import('./link.ts')],
  ['retention', 'how long statement texts and bind values are kept', () => import('./retention.ts')],
  ['ledger', 'the append-only log', () => import('./ledger.ts')],
  ['vault', 'the keys under which secrets are sealed at rest', () => import('./vault.ts')],
  [
    'witness',
    'be a witness of a log: vouch that it only grows, on a machine of your own',
    () => import('./witness.ts'),
  ],
  ['completion', 'print completions for your shell', () => import('./completion.ts')],
  ['version', 'print the version', () => import('./version.ts')],
];

/** Exit code, and why, of `postern` are said in one place for all commands. */
const EXIT_CODES = `
Exit codes: 0 done; 1 failed or refused; 2 called in a wrong way; 3 verification found something wrong.
            "run" ends with the exit code of its command; "apply --plan" and "--drift" with 2 where something differs.
Times are UTC. Every command takes --help, and those with results --json.`;

/**
 * The program with the commands that a call needs: the one named, and all others by name and summary only. Only
 * completions need the whole tree.
 *
 * @param wanted the word that names the command
 */
export async function buildProgram(wanted: string | undefined): Promise<Command> {
  const program = new Command('postern')
    .description('Postern: the guarded side gate that machines use.')
    .enablePositionalOptions()
    .showHelpAfterError('(--help tells more)')
    .addHelpText('after', EXIT_CODES)
    .exitOverride();
  for (const [name, summary, load] of COMMANDS) {
    if (name === wanted || wanted === 'completion') (await load()).register(program);
    else program.command(name).description(summary);
  }
  return program;
}

/** The word of a call that names its command, also behind `help`. */
export function commandWord(args: readonly string[]): string | undefined {
  const words = args.filter((arg) => !arg.startsWith('-'));
  return words[0] === 'help' ? words[1] : words[0];
}

/** Whether a call wants its failures as JSON. What stands behind `--` belongs to another program. */
export function wantsJson(args: readonly string[]): boolean {
  const end = args.indexOf('--');
  return (end < 0 ? args : args.slice(0, end)).includes('--json');
}

/** Has commander's own complaints told as any other failure, as JSON too. */
export function tellMistakes(program: Command, json: boolean): void {
  for (const command of [program, ...descendants(program)]) {
    command.configureOutput({
      outputError: (text, write) => {
        const message = text.trim().replace(/^error: /, '');
        write(json ? describeFailure(usageError(message), true).text : `postern: ${message}\n`);
      },
    });
    if (json) command.showHelpAfterError(false);
  }
}

function descendants(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...descendants(child)]);
}
