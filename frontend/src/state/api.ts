/** Calls to the server. Addresses are relative, so the page also works under a path prefix. */

/** An error in the form every endpoint answers with (RFC 9457, with a code and a hint). */
export class ApiError extends Error {
  readonly status: number;
  readonly code: string;
  readonly hint: string;

  constructor(status: number, code: string, message: string, hint: string) {
    super(message);
    this.status = status;
    this.code = code;
    this.hint = hint;
  }
}

/** The address of an endpoint, `api/graph` for example, seen from the page. */
export function address(path: string): string {
  return new URL(path, document.baseURI).href;
}

export function socketAddress(path: string): string {
  return address(path).replace(/^http/, "ws");
}

export function videoAddress(topic: string, nonce: number): string {
  return address(`video/${encodeURIComponent(topic)}?n=${nonce}`);
}

export function snapshotAddress(topic: string, nonce?: number): string {
  const suffix = nonce === undefined ? "" : `?n=${nonce}`;
  return address(`snapshot/${encodeURIComponent(topic)}${suffix}`);
}

const TIMEOUT_MS = 5000;
const SEND_TIMEOUT_MS = 30_000;

/** GET a JSON document; raises ApiError for an error answer and for a server that is away. */
export async function getJson<T>(path: string): Promise<T> {
  let response: Response;
  try {
    response = await fetch(address(path), {
      headers: { accept: "application/json" },
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch {
    throw new ApiError(0, "", "The server does not answer", "Is the flow still running?");
  }
  if (response.ok) return (await response.json()) as T;
  throw await errorOf(response);
}

/** Send bytes, or nothing; what is answered does not matter, an error is thrown. */
export async function send(method: Method, path: string, body: Blob | string | null = null): Promise<void> {
  await sent(method, path, body);
}

/** Send a JSON document, or nothing, and return the answer. */
export async function sendJson<T>(method: Method, path: string, value?: unknown): Promise<T> {
  const response = await sent(method, path, value === undefined ? null : JSON.stringify(value));
  return (await response.json()) as T;
}

/** What went wrong, in words; anything but an error of the server is thrown. */
export function reason(error: unknown): string {
  if (!(error instanceof ApiError)) throw error;
  return [error.message, error.hint].filter(Boolean).join(": ");
}

type Method = "POST" | "PUT" | "PATCH" | "DELETE";

async function sent(method: Method, path: string, body: Blob | string | null): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(address(path), { method, body, signal: AbortSignal.timeout(SEND_TIMEOUT_MS) });
  } catch {
    throw new ApiError(0, "", "The server does not answer", "Is it still running?");
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => null);
  const problem = (body ?? {}) as Record<string, unknown>;
  const text = (key: string): string => (typeof problem[key] === "string" ? problem[key] : "");
  const message = text("detail") || `The server answered ${response.status}`;
  return new ApiError(response.status, text("code"), message, text("hint"));
}

/** False when the server wants a token; true also when it cannot be asked. */
export async function allowed(): Promise<boolean> {
  try {
    await getJson("api/status");
    return true;
  } catch (error) {
    return !(error instanceof ApiError && error.status === 401);
  }
}

/** Hand in a token; the server answers with a cookie. True when it was accepted. */
export async function unlock(token: string): Promise<boolean> {
  const answer = await fetch(address(`api/status?token=${encodeURIComponent(token)}`), {
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  return answer.ok;
}
