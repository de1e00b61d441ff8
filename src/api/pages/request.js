/** The page of one request: what it asks for, and the buttons of whoever is asked to decide. */

const $ = (id) => document.getElementById(id);
const id = location.pathname.split('/').at(-1);
let csrf = null;

function say(text) {
  $('message').textContent = text ?? '';
  $('message').hidden = !text;
}

async function call(path, body) {
  const answer = await fetch(path, {
    credentials: 'same-origin',
    ...(body && {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(csrf && { 'x-postern-csrf': csrf }) },
      body: JSON.stringify(body),
    }),
  });
  const content = await answer.json();
  if (answer.ok) return content;
  const error = new Error(content.error?.message ?? 'It did not work.');
  error.code = content.error?.code;
  throw error;
}

function show(request, me, asked) {
  const facts = [
    ['Principal', request.principal.name],
    ['Resource', request.resource.name],
    ['Scope', request.scope],
    ['For', `${Math.round(request.seconds / 60)} minutes`],
    ['Asked for by', request.requester.name],
    ['Ticket', request.ticket],
    ['Why', request.justification],
    ['Emergency', request.emergency ? 'yes' : null],
    ['Agreed', request.approvals.map(({ person }) => person.name).join(', ')],
    ['Still needed', request.needs.join('; ')],
    ['Status', request.status],
    ['Reason', request.statusReason],
  ];
  $('facts').replaceChildren(
    ...facts
      .filter(([, fact]) => fact)
      .flatMap(([term, fact]) => [
        Object.assign(document.createElement('dt'), { textContent: term }),
        Object.assign(document.createElement('dd'), { textContent: fact }),
      ]),
  );
  $('me').textContent = `${me.person.name} (${me.person.email})`;
  $('decide').hidden = !asked;
  $('request').hidden = false;
  $('sign-in').hidden = true;
}

function askToSignIn() {
  $('login').href = `/login?${new URLSearchParams({ request: id })}`;
  $('sign-in').hidden = false;
  $('request').hidden = true;
}

async function start() {
  try {
    const me = await call('/v1/whoami');
    if (me.session === null) return askToSignIn();
    csrf = me.csrf;
    const request = await call(`/v1/requests/${encodeURIComponent(id)}`);
    const { items } = await call('/v1/requests/inbox');
    show(
      request,
      me,
      items.some((each) => each.id === request.id),
    );
  } catch (error) {
    if (error.code === 'POSTERN_UNAUTHORIZED') askToSignIn();
    else say(error.message);
  }
}

function on(button, act) {
  $(button).addEventListener('click', async () => {
    for (const each of ['approve', 'deny']) $(each).disabled = true;
    say(null);
    try {
      await act($('comment').value.trim());
      await start();
    } catch (error) {
      if (error.code === 'POSTERN_REAUTHENTICATE')
        location.assign(`/login?${new URLSearchParams({ request: id, again: '1' })}`);
      say(error.message);
    }
    for (const each of ['approve', 'deny']) $(each).disabled = false;
  });
}

on('approve', (comment) =>
  call(`/v1/requests/${encodeURIComponent(id)}/approve`, comment ? { comment } : {}),
);

on('deny', async (reason) => {
  if (!reason) throw new Error('A no needs a reason.');
  await call(`/v1/requests/${encodeURIComponent(id)}/deny`, { reason });
});

$('decide').addEventListener('submit', (event) => event.preventDefault());
start();
