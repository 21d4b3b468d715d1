// Asking the server: JSON both ways; a refusal is an error that says why.

export class Refused extends Error {
  constructor(status, detail) { super(detail); this.status = status; }
}

// The server cannot be reached; nobody knows what became of what was asked.
export class Away extends Error {}

export async function ask(path, method = "GET", body = null) {
  const headers = body === null ? {} : { "content-type": "application/json" };
  let answer;
  try {
    answer = await fetch(path, { method, headers, cache: "no-store", body: body === null ? undefined : JSON.stringify(body) });
  } catch (error) {
    throw new Away(String(error));
  }
  if (answer.status === 401) {
    location.href = `/login?next=${encodeURIComponent(location.pathname)}`;
    return new Promise(() => {});
  }
  const told = await read(answer);
  if (!answer.ok) throw new Refused(answer.status, told.detail || told.message || answer.statusText);
  return told;
}

async function read(answer) {
  try {
    return await answer.json();
  } catch (error) {
    if (answer.ok) throw new Away(String(error)); // the answer broke off on its way
    return {};
  }
}
