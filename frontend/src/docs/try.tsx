/** Calls a GET operation and shows the answer. */

import type { JSX } from "preact";
import { useState } from "preact/hooks";

import { address } from "../state/api";
import { bytes, millis } from "../state/format";
import { Icon } from "../ui/icons";
import { callAddress, type Operation } from "./openapi";

interface Answer {
  status: number;
  type: string;
  size: number;
  tookMs: number;
  text: string;
  picture: string;
}

const MAX_BYTES = 256 * 1024;
const TIMEOUT_MS = 5000;

export function Try({ operation }: { operation: Operation }): JSX.Element {
  const [values, setValues] = useState<Record<string, string>>({});
  const [answer, setAnswer] = useState<Answer | null>(null);
  const [problem, setProblem] = useState("");
  const parameters = (operation.parameters ?? []).filter((each) => each.in !== "header" && each.in !== "cookie");
  const call = async (event: Event): Promise<void> => {
    event.preventDefault();
    setProblem("");
    try {
      setAnswer(await fetchAnswer(callAddress(operation, values)));
    } catch {
      setAnswer(null);
      setProblem("No answer within 5 seconds.");
    }
  };
  return (
    <form class="try" onSubmit={(event) => void call(event)}>
      {parameters.map((each) => (
        <label key={each.name}>
          <span>{each.name}</span>
          <input
            name={each.name}
            required={each.required ?? false}
            placeholder={String(each.schema?.default ?? "")}
            value={values[each.name] ?? ""}
            onInput={(event) => setValues({ ...values, [each.name]: event.currentTarget.value })}
          />
        </label>
      ))}
      <button type="submit" class="button">
        <Icon name="play" />
        Try it
      </button>
      {problem && <p class="problem" role="alert">{problem}</p>}
      {answer && <Shown answer={answer} />}
    </form>
  );
}

function Shown({ answer }: { answer: Answer }): JSX.Element {
  return (
    <div class="answer" role="status">
      <p>
        <b class={answer.status < 400 ? "state ok" : "state bad"}>{answer.status}</b>
        <span class="muted">{answer.type} · {bytes(answer.size)} · {millis(answer.tookMs)}</span>
      </p>
      {answer.picture ? <img src={answer.picture} alt="The answer" /> : <pre>{answer.text}</pre>}
    </div>
  );
}

/** Reads at most MAX_BYTES: an endless answer, such as a video, is cut and closed. */
async function fetchAnswer(path: string): Promise<Answer> {
  const started = performance.now();
  const stop = new AbortController();
  const timer = setTimeout(() => stop.abort(), TIMEOUT_MS);
  try {
    const response = await fetch(address(path), { signal: stop.signal });
    const type = response.headers.get("content-type")?.split(";")[0] ?? "";
    const parts = await readSome(response);
    stop.abort();
    const blob = new Blob(parts, { type });
    const common = { status: response.status, type, size: blob.size, tookMs: performance.now() - started };
    if (type.startsWith("image/")) return { ...common, text: "", picture: URL.createObjectURL(blob) };
    const text = type.startsWith("multipart/") ? "(a stream of pictures)" : pretty(await blob.text());
    return { ...common, text, picture: "" };
  } finally {
    clearTimeout(timer);
  }
}

async function readSome(response: Response): Promise<BlobPart[]> {
  const parts: BlobPart[] = [];
  const reader = response.body?.getReader();
  let size = 0;
  while (reader && size < MAX_BYTES) {
    const { done, value } = await reader.read();
    if (done) break;
    parts.push(value as BlobPart);
    size += value.byteLength;
  }
  return parts;
}

function pretty(text: string): string {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}
