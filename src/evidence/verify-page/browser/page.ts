import { byId } from './dom.ts';
import { fromDrop, fromInput, type Given } from './given.ts';
import type { Answer, Job } from './messages.ts';
import { showError, showReport } from './result.ts';

/** The page's side: takes the package and what the person holds, has a worker verify, and shows what came of it. */
export class Page {
  readonly #source: string;
  readonly #key = byId<HTMLTextAreaElement>('key');
  readonly #checkpoint = byId<HTMLTextAreaElement>('checkpoint');
  readonly #policy = byId<HTMLTextAreaElement>('policy');
  readonly #again = byId<HTMLButtonElement>('again');
  readonly #progress = byId<HTMLProgressElement>('progress');
  readonly #doing = byId('doing');
  readonly #result = byId('result');
  #given: Given | null = null;
  #worker: Worker | null = null;

  /** @param source this page's own script, which is the worker's as well */
  constructor(source: string) {
    this.#source = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
    for (const id of ['zip', 'folder']) {
      const input = byId<HTMLInputElement>(id);
      byId(`${id}-button`).addEventListener('click', () => input.click());
      input.addEventListener('change', () => {
        const given = input.files === null ? null : fromInput(input.files);
        if (given !== null) this.#take(given);
      });
    }
    this.#again.addEventListener('click', () => this.#verify());
    byId('cancel').addEventListener('click', () => this.#end('Cancelled. Nothing was verified.'));
    this.#takeDrops(byId('drop'));
    byId('form').hidden = false;
  }

  #takeDrops(zone: HTMLElement): void {
    const over = (on: boolean) => (event: DragEvent) => {
      event.preventDefault();
      zone.classList.toggle('over', on);
    };
    // The whole window takes a drop: one that misses would make the browser open the file instead.
    addEventListener('dragover', over(true));
    addEventListener('dragleave', over(false));
    addEventListener('drop', (event) => {
      over(false)(event);
      if (event.dataTransfer === null) return;
      this.#say('Reading the list of files');
      fromDrop(event.dataTransfer).then(
        (given) => (given === null ? this.#end('') : this.#take(given)),
        (error: Error) =>
          this.#show(
            showError(
              `What was dropped could not be read (${error.message}). Choose it with a button instead.`,
            ),
          ),
      );
    });
  }

  #take(given: Given): void {
    this.#given = given;
    this.#verify();
  }

  #verify(): void {
    if (this.#given === null) return;
    this.#end('');
    const { name } = this.#given;
    const held = (area: HTMLTextAreaElement): string | undefined =>
      area.value.trim() === '' ? undefined : area.value;
    const job: Job = {
      given: this.#given.package,
      vkey: held(this.#key)?.trim(),
      checkpoint: asNote(held(this.#checkpoint)),
      policy: held(this.#policy),
    };
    this.#say(`Verifying ${name}`);
    const worker = new Worker(this.#source);
    this.#worker = worker;
    worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      if (data.kind === 'progress') this.#tell(data);
      else if (data.kind === 'error') this.#show(showError(data.message));
      else
        this.#show(showReport(data.report, { ...data, name, heldCheckpoint: job.checkpoint !== undefined }));
    });
    worker.addEventListener('error', (event) =>
      this.#show(showError(event.message || 'The browser would not start the verification.')),
    );
    worker.postMessage(job);
  }

  #tell({ doing, done, total }: Extract<Answer, { kind: 'progress' }>): void {
    this.#progress.max = Math.max(1, total);
    this.#progress.value = done;
    const percent = Math.floor((100 * done) / Math.max(1, total));
    this.#doing.textContent = `${doing === 'unpacking' ? 'Unpacking' : 'Verifying'}, ${percent} %`;
  }

  #say(text: string): void {
    this.#progress.removeAttribute('value');
    this.#doing.textContent = text;
    byId('busy').hidden = false;
  }

  /** Stops what is under way and clears the result. */
  #end(text: string): void {
    this.#worker?.terminate();
    this.#worker = null;
    byId('busy').hidden = true;
    this.#result.replaceChildren(text);
  }

  #show(result: HTMLElement): void {
    this.#end('');
    this.#again.hidden = this.#given === null;
    this.#result.replaceChildren(result);
    byId('verdict').focus();
  }
}

/** A signed note as its file has it: what was pasted may have lost its last line end, or have those of another system. */
function asNote(text: string | undefined): string | undefined {
  return text === undefined ? undefined : `${text.replaceAll('\r\n', '\n').trimEnd()}\n`;
}
