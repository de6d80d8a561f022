/** Asks an address again and again while the page is looked at, and keeps the last answer. */

import { useEffect, useRef, useState } from "preact/hooks";

import { getJson, reason } from "./api";
import { connection } from "./store";

export interface Polled<T> {
  /** The newest answer; null before the first, and after the address changed. */
  page: T | null;
  /** Why there is no newer one. */
  error: string;
  /** Ask at once. */
  again: () => void;
}

/** Polls `path` every so many milliseconds. */
export function usePolled<T>(path: string, every: number): Polled<T> {
  const [answer, setAnswer] = useState<{ path: string; page: T | null; error: string }>({ path, page: null, error: "" });
  const ask = useRef<() => void>(() => undefined);
  useEffect(() => {
    let over = false;
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking = false;
    const next = async (): Promise<void> => {
      clearTimeout(timer);
      if (asking) return;
      asking = true;
      if (!document.hidden && connection.peek() !== "lost") {
        try {
          const page = await getJson<T>(path);
          if (!over) setAnswer({ path, page, error: "" });
        } catch (error) {
          const said = reason(error);
          if (!over) setAnswer((known) => ({ path, page: known.path === path ? known.page : null, error: said }));
        }
      }
      asking = false;
      if (!over) timer = setTimeout(() => void next(), every);
    };
    ask.current = () => void next();
    const onVisible = (): void => {
      if (!document.hidden) void next();
    };
    document.addEventListener("visibilitychange", onVisible);
    void next();
    return () => {
      over = true;
      clearTimeout(timer);
      document.removeEventListener("visibilitychange", onVisible);
    };
  }, [path, every]);
  const own = answer.path === path;
  return { page: own ? answer.page : null, error: own ? answer.error : "", again: () => ask.current() };
}
