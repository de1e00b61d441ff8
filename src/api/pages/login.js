/** The page of signing in: what it shows follows from its address and from who is signed in. */

const parameters = new URLSearchParams(location.search);
const $ = (id) => document.getElementById(id);
const SECTIONS = ['ways', 'invitation', 'codes', 'command-line', 'account'];

const FAILED = {
  unauthorized:
    'Nobody here is linked to this login, or it took too long. Try again, or ask an administrator.',
  conflict: 'Your roles do not go together, or this login is of somebody else already. Ask an administrator.',
  upstream_unavailable: 'The identity provider does not answer. Try again later, or use a passkey.',
};

let csrf = null;
let invitation = null;
let enrolment = null;

function show(section, title) {
  for (const id of SECTIONS) $(id).hidden = id !== section;
  $('title').textContent = title;
  document.title = `${title} - Postern`;
  $('title').focus();
}

function say(text) {
  $('message').textContent = text ?? '';
  $('message').hidden = !text;
}

async function call(path, body) {
  const headers = {
    ...(body && { 'content-type': 'application/json' }),
    ...(csrf && { 'x-postern-csrf': csrf }),
  };
  const answer = await fetch(path, {
    method: 'POST',
    headers,
    credentials: 'same-origin',
    ...(body && { body: JSON.stringify(body) }),
  });
  const content = await answer.json();
  if (answer.ok) return content;
  const { code, message, hint } = content.error ?? {};
  const error = new Error(hint && !hint.includes('postern ') ? `${message} ${hint}` : message);
  error.code = code;
  throw error;
}

/** Runs what a button is for, once at a time, and says what went wrong. */
function on(id, event, act) {
  $(id).addEventListener(event, async (happened) => {
    happened.preventDefault();
    const buttons = [...document.querySelectorAll('button')];
    for (const button of buttons) button.disabled = true;
    say(null);
    try {
      await act();
    } catch (error) {
      if (error.code === 'POSTERN_REAUTHENTICATE') again();
      else if (error.name === 'NotAllowedError') say('The browser did not get a passkey. Try again.');
      else if (error.name === 'InvalidStateError') say('This device has a passkey of yours already.');
      else say(error.message);
    }
    for (const button of buttons) button.disabled = false;
  });
}

function again() {
  parameters.set('again', '1');
  history.replaceState(null, '', `/login?${parameters}`);
  start();
}

async function makePasskey({ options }) {
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options);
  return (await navigator.credentials.create({ publicKey })).toJSON();
}

function showCodes(codes) {
  $('code-list').replaceChildren(
    ...codes.map((code) => Object.assign(document.createElement('li'), { textContent: code })),
  );
  show('codes', 'Keep these');
}

function providerLinks(into, providers, press) {
  into.replaceChildren(
    ...providers.map(({ name }) => {
      const link = document.createElement('a');
      link.className = 'button';
      link.textContent = `Sign in with ${name}`;
      const query = new URLSearchParams();
      if (parameters.has('again')) query.set('again', '1');
      const stay = new URLSearchParams(parameters);
      for (const gone of ['again', 'failed']) stay.delete(gone);
      if (stay.size > 0) query.set('next', `/login?${stay}`);
      link.href = `/login/with/${encodeURIComponent(name)}${query.size > 0 ? `?${query}` : ''}`;
      if (press) {
        link.addEventListener('click', async (event) => {
          event.preventDefault();
          try {
            location.assign((await press(name)).url);
          } catch (error) {
            say(error.message);
          }
        });
      }
      return link;
    }),
  );
}

async function whoAmI() {
  const answer = await fetch('/v1/whoami', { credentials: 'same-origin' });
  if (!answer.ok) return null;
  const me = await answer.json();
  if (me.session === null) return null;
  csrf = me.csrf;
  return me;
}

/** After somebody has signed in, as far as this page has to do with it. */
async function entered() {
  parameters.delete('again');
  parameters.delete('failed');
  const query = parameters.size > 0 ? `?${parameters}` : '';
  history.replaceState(null, '', `/login${query}`);
  await start();
}

/** Where a notification led to, who has signed in for it goes back. */
function goesBack() {
  const request = parameters.get('request');
  if (request === null || !/^[0-9a-f-]{36}$/.test(request)) return false;
  location.replace(`/requests/${request}`);
  return true;
}

function showAccount(me) {
  if (me.session.method !== 'recovery_code' && goesBack()) return;
  for (const one of document.querySelectorAll('.me'))
    one.textContent = `${me.person.name} (${me.person.email})`;
  const facts = [
    ['Roles', me.person.roles.join(', ') || 'none'],
    ['Until', new Date(me.session.expiresAt).toLocaleString()],
  ];
  $('facts').replaceChildren(
    ...facts.flatMap(([term, fact]) => [
      Object.assign(document.createElement('dt'), { textContent: term }),
      Object.assign(document.createElement('dd'), { textContent: fact }),
    ]),
  );
  $('new-codes').hidden = me.session.method === 'recovery_code';
  if (parameters.has('port') && me.session.method !== 'recovery_code')
    show('command-line', 'Sign in the command line');
  else show('account', 'Signed in');
}

async function openInvitation() {
  const ways = await (await fetch('/v1/login/ways')).json();
  enrolment = await call('/v1/login/invitation/begin', { invitation });
  $('invited').textContent = `${enrolment.name} (${enrolment.email})`;
  if ($('label').value === '') $('label').value = `Passkey of ${new Date().toLocaleDateString()}`;
  providerLinks($('invitation-providers'), ways.providers, (provider) =>
    call('/v1/login/invitation/provider', { invitation, provider }),
  );
  show('invitation', 'Welcome');
}

async function start() {
  if (location.pathname === '/login/invitation') {
    invitation ??= location.hash.slice(1);
    // The invitation is a secret: it stays neither in the address nor in the history.
    history.replaceState(null, '', '/login/invitation');
    try {
      return await openInvitation();
    } catch (error) {
      say(error.message);
      return show(null, 'This invitation does not work');
    }
  }
  const me = await whoAmI();
  if (me !== null && !parameters.has('again')) return showAccount(me);
  const ways = await (await fetch('/v1/login/ways')).json();
  providerLinks($('providers'), ways.providers);
  show('ways', parameters.has('again') ? 'Show once more who you are' : 'Sign in');
  if (parameters.has('failed')) say(FAILED[parameters.get('failed')] ?? 'The login failed. Try again.');
}

on('passkey', 'click', async () => {
  const { options, ticket } = await call('/v1/login/passkey/begin');
  const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options);
  const response = (await navigator.credentials.get({ publicKey })).toJSON();
  await call('/v1/login/passkey', { ticket, response });
  await entered();
});

on('recovery', 'submit', async () => {
  await call('/v1/login/recovery', { email: $('email').value, code: $('code').value });
  $('code').value = '';
  await entered();
});

on('enrol', 'click', async () => {
  enrolment = await call('/v1/login/invitation/begin', { invitation });
  const response = await makePasskey(enrolment);
  const { ticket } = enrolment;
  const made = await call('/v1/login/invitation', { invitation, ticket, response, label: $('label').value });
  invitation = null;
  showCodes(made.recoveryCodes);
});

on('codes-kept', 'click', async () => {
  $('code-list').replaceChildren();
  history.replaceState(null, '', '/login');
  await start();
});

on('add-passkey', 'click', async () => {
  const begun = await call('/v1/passkeys/begin');
  const response = await makePasskey(begun);
  const label = `Passkey of ${new Date().toLocaleDateString()}`;
  await call('/v1/passkeys', { ticket: begun.ticket, response, label });
  say(null);
  $('title').textContent = 'The passkey is kept';
});

on('new-codes', 'click', async () => showCodes((await call('/v1/recovery-codes')).recoveryCodes));

on('logout', 'click', async () => {
  await call('/v1/logout');
  csrf = null;
  await start();
});

on('approve', 'click', async () => {
  const port = Number(parameters.get('port'));
  if (!Number.isInteger(port) || port < 1024 || port > 65535)
    throw new Error('The command line gave no port.');
  const { code } = await call('/v1/login/cli/approve', { challenge: parameters.get('challenge') });
  const query = new URLSearchParams({ code, state: parameters.get('state') ?? '' });
  location.assign(`http://127.0.0.1:${port}/?${query}`);
});

on('decline', 'click', async () => {
  for (const name of ['port', 'challenge', 'state']) parameters.delete(name);
  await entered();
});

start();
