/** The page that verifies an evidence package, in a real browser without a network. */
import assert from 'node:assert/strict';
import { createWriteStream, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { buildVerifyPage } from '../scripts/build-verify-page.ts';
import { CHROMIUM, ensureDebianPackages, findCommand } from '../scripts/need.ts';
import { FILES } from '../src/evidence/format.ts';
import { Bank, type Nights, tellNights } from '../src/evidence/package.fixture.ts';
import { formatReport, verifyPackage } from '../src/evidence/verify.ts';
import { zipFolder } from '../src/evidence/zip.ts';
import { PRESETS } from '../src/identity/presets/presets.ts';
import { run } from './support/processes.ts';

const LAUNCHER = fileURLToPath(new URL('../bin/postern', import.meta.url));
const PAGE = new URL('../src/evidence/verify-page/verify.html', import.meta.url);

test('the built page is what its sources give (node scripts/build-verify-page.ts makes it)', async () => {
  assert.equal(readFileSync(PAGE, 'utf8') === (await buildVerifyPage()), true);
});

test('the built page names nothing outside itself', () => {
  const html = readFileSync(PAGE, 'utf8');
  const code = html.replace(/^\s*(\/\/|\*|\/\*).*$/gm, '');
  // Issuers of platforms, with which bindings are compared; nobody is asked.
  const issuers = new Set(PRESETS.map(({ issuer }) => issuer.usual));
  const named = code.match(/https?:\/\/[^'"`\s]+/g) ?? [];
  assert.deepEqual(
    named.filter((url) => !issuers.has(url)),
    [],
  );
  assert.equal(/\b(fetch|XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts)\b/.test(code), false);
  assert.equal(/<(link|img|iframe|object|embed)\b|\bsrc=|\bhref=(?!"#)|@import|url\(/.test(html), false);
});

test('postern verify-page prints it', async () => {
  const { stdout, code } = await run(LAUNCHER, ['verify-page']);
  assert.equal(code, 0);
  assert.equal(stdout === readFileSync(PAGE, 'utf8'), true);
});

describe('in Chromium, offline', () => {
  const bank = new Bank();
  let nights: Nights;
  let early = '';
  let full = '';
  let single = '';
  let browser: Browser;
  let context: BrowserContext;
  let page: Page;
  const requests: string[] = [];
  const complaints: string[] = [];

  before(async () => {
    ensureDebianPackages([CHROMIUM]);
    await bank.open();
    nights = tellNights(bank.story);
    early = await bank.log();
    const grant = bank.story.grant(nights.other, 'CHG-8');
    const session = bank.story.open(nights.other, grant, bank.story.credential(nights.other, grant));
    for (let i = 0; i < 120; i++) {
      bank.story.run(nights.other, session, grant, 'select', 'ledger.x', `later ${i}`);
    }
    await bank.log();
    full = await bank.export({});
    single = await bank.export({ principal: 'nightly-ledger-batch' });
    browser = await chromium.launch({
      executablePath: findCommand(CHROMIUM.command) as string,
      args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage'],
    });
    context = await browser.newContext({ offline: true });
    context.setDefaultTimeout(20_000);
    page = await context.newPage();
    page.on('request', (request) => requests.push(request.url()));
    page.on('pageerror', (error) => complaints.push(error.message));
    await page.goto(PAGE.href);
  });
  after(async () => {
    await browser?.close();
    await bank.close();
  });

  /** The text as a person sees it, with its line breaks. */
  const seen = async (selector: string): Promise<string> =>
    String(await page.evaluate(`document.querySelector('${selector}').innerText`));
  const result = async (): Promise<string> => {
    await page.locator('#verdict').waitFor();
    return seen('#result');
  };
  const verdict = (): Promise<string> => seen('#verdict');
  const hold = async (key: string, checkpoint = ''): Promise<void> => {
    await page.evaluate("document.getElementById('result').replaceChildren()");
    await page.fill('#key', key);
    await page.fill('#checkpoint', checkpoint);
  };
  const choose = async (path: string): Promise<string> => {
    await page.setInputFiles(path.endsWith('.zip') ? '#zip' : '#folder', path);
    return result();
  };
  /** Drops as a person does, with real files of the file system. */
  const drop = async (...files: string[]): Promise<string> => {
    const session = await context.newCDPSession(page);
    const data = { items: [], files, dragOperationsMask: 1 };
    for (const type of ['dragEnter', 'dragOver', 'drop'] as const) {
      await session.send('Input.dispatchDragEvent', { type, x: 300, y: 300, data });
    }
    return result();
  };
  const zipped = async (dir: string): Promise<string> => {
    await zipFolder(dir, createWriteStream(`${dir}.zip`));
    return `${dir}.zip`;
  };

  test('a dropped folder, a dropped zip, a chosen folder and a chosen zip are verified with the key that is held', async () => {
    for (const dir of [full, single]) {
      const zip = await zipped(dir);
      for (const give of [() => drop(dir), () => drop(zip), () => choose(dir), () => choose(zip)]) {
        await hold(bank.vkey, early);
        const text = await give();
        assert.equal(await verdict(), 'Verified', text);
        assert.match(text, /given by you/);
        assert.match(text, /The log continues the checkpoint that you hold/);
        assert.doesNotMatch(text, /failed|not checked/);
      }
    }
  });

  test('without a key the page says that nobody vouches for the signer, and again with it when it is given', async () => {
    await hold('');
    const text = await choose(single);
    assert.match(text, /In full: \d+/);
    assert.equal(await verdict(), 'Holds together; the signer is not confirmed');
    assert.match(text, /taken from the package, not confirmed by you/);
    assert.match(text, /What it does not prove\s+Whose log this is/);
    await page.fill('#key', bank.vkey);
    await page.getByRole('button', { name: 'Verify again with these' }).click();
    await page.getByRole('heading', { name: 'Verified', exact: true }).waitFor();
  });

  test('it says what the command line says, word for word, of whole packages and of broken ones', async () => {
    const stranger = new Bank();
    await stranger.open();
    const changes: ((dir: string) => void)[] = [
      () => undefined,
      (dir) => flip(join(dir, FILES.commands)),
      (dir) => flip(join(dir, FILES.manifest)),
      (dir) => flip(join(dir, 'tlog/tile/0/000')),
      (dir) => flip(join(dir, FILES.report)),
      (dir) => writeFileSync(join(dir, 'extra'), 'x'),
      (dir) => writeFileSync(join(dir, FILES.checkpoint), 'nonsense'),
      (dir) => edit(join(dir, FILES.commands), 'insert number 1', 'insert number 9'),
      (dir) => bank.sign(dir, (manifest) => ({ ...manifest, principals: [] })),
    ];
    for (const change of changes) {
      for (const from of [full, single]) {
        const dir = bank.copy(from);
        change(dir);
        for (const vkey of [bank.vkey, stranger.vkey]) {
          await hold(vkey);
          await choose(dir);
          const said = await page.locator('pre').textContent();
          assert.equal(said, formatReport(await verifyPackage(dir, { vkey })));
        }
      }
    }
    await stranger.close();
  });

  test('one byte changed: it names the file and the record', async () => {
    const dir = bank.copy(single);
    const rows = readFileSync(join(dir, FILES.commands), 'utf8').split('\n');
    const row = rows.find((line) => line.includes('insert number 4')) ?? '';
    const { id, leaf } = JSON.parse(row) as { id: string; leaf: number };
    edit(join(dir, FILES.commands), 'insert number 4', 'insert number 5');
    bank.sign(dir);
    await hold(bank.vkey);
    const text = await drop(dir);
    assert.equal(await verdict(), 'Not verified');
    assert.match(
      text,
      new RegExp(
        `activity/commands.ndjson\\s+The text of its statement is not what was recorded.*\\s+leaf ${leaf} · record ${id}`,
      ),
    );
    assert.doesNotMatch(text, /What this proves/);
  });

  test('a package with the page of another version verifies; one whose page was exchanged does not', async () => {
    const dir = bank.copy(single);
    writeFileSync(join(dir, FILES.page), '<title>another</title>');
    const options = { vkey: bank.vkey };
    const { findings } = await verifyPackage(dir, options);
    assert.deepEqual(
      findings.map(({ file }) => file),
      [FILES.page],
    );
    bank.sign(dir);
    assert.equal((await verifyPackage(dir, options)).ok, true);
  });

  test('what is no package, no zip, or a key that is none, is said in words', async () => {
    await hold(bank.vkey);
    const stray = join(bank.dir, 'stray.zip');
    writeFileSync(stray, 'no zip');
    assert.match(
      await choose(stray),
      /Could not be verified\s+The zip cannot be taken for an evidence package/,
    );
    await hold('not a key');
    assert.match(await choose(single), /Could not be verified\s+A verifier key has the form/);
    await hold('');
    assert.match(await choose(await zipped(join(full, 'activity'))), /Not verified/);
  });

  test('what somebody wrote into a package is shown, and not obeyed', async () => {
    const dir = bank.copy(full);
    const name = '<img src=x onerror="document.title=1"><script>document.title=2</script>\u202e';
    bank.sign(dir, (manifest) => ({ ...manifest, generatedBy: { id: 'x', name } }));
    await hold(bank.vkey);
    const text = await choose(dir);
    assert.match(text, /<img src=x onerror="document.title=1">/);
    assert.match(text, /\[U\+202e\]/);
    assert.equal(await page.locator('#result img, #result script').count(), 0);
    assert.equal(await page.title(), 'Verify an evidence package');
  });

  test('cancelling ends the verification and shows no result', async () => {
    await hold('');
    await choose(full);
    await page.evaluate(
      "document.getElementById('again').click(); document.getElementById('cancel').click()",
    );
    assert.match(await seen('#result'), /Cancelled. Nothing was verified/);
    assert.equal(await page.locator('#busy').isHidden(), true);
    assert.equal(await page.locator('#verdict').count(), 0);
  });

  test('it can be used from the keyboard, and a screen reader hears what came of it', async () => {
    await page.reload();
    const names: string[] = [];
    for (let i = 0; i < 5; i++) {
      await page.keyboard.press('Tab');
      names.push(await page.evaluate('document.activeElement.id'));
    }
    assert.deepEqual(names.slice(0, 4), ['zip-button', 'folder-button', 'key', 'checkpoint']);
    const chooser = page.waitForEvent('filechooser');
    await page.locator('#zip-button').focus();
    await page.keyboard.press('Enter');
    await (await chooser).setFiles(await zipped(single));
    await result();
    assert.equal(await page.evaluate('document.activeElement.id'), 'verdict');
    const tree = await page.locator('main').ariaSnapshot();
    for (const part of [
      'heading "Verify an evidence package" [level=1]',
      'textbox "Verifier key of the log"',
      'heading "Holds together; the signer is not confirmed" [level=2]',
      'table',
      'columnheader "Result"',
      'rowheader "Merkle tree"',
    ]) {
      assert.equal(tree.includes(part), true, `${part} in\n${tree}`);
    }
  });

  test('the page asked for nothing but itself and its own worker, and its policy would not let it', async () => {
    const foreign = requests.filter((url) => url !== PAGE.href && !url.startsWith('blob:'));
    assert.deepEqual(foreign, []);
    assert.deepEqual(complaints, []);
    const tried = await page.evaluate(`Promise.all([
      fetch('https://example.org/').then(() => 'fetched', () => 'blocked'),
      new Promise((done) => {
        addEventListener('securitypolicyviolation', (event) => done(event.effectiveDirective), { once: true });
        document.body.append(Object.assign(new Image(), { src: 'https://example.org/a.png' }));
      }),
      (() => { document.body.append(Object.assign(document.createElement('script'), { text: 'globalThis.ran = 1' })); return String(globalThis.ran); })(),
    ])`);
    assert.deepEqual(tried, ['blocked', 'connect-src', 'undefined']);
  });
});

function flip(file: string): void {
  const content = readFileSync(file);
  const at = Math.floor(content.length / 2);
  content[at] = (content[at] ?? 0) ^ 1;
  writeFileSync(file, content);
}

function edit(file: string, from: string, to: string): void {
  writeFileSync(file, readFileSync(file, 'utf8').replace(from, to));
}
