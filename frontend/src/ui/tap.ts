/** Looks at the newest frame of a topic. */

import { useCallback, useEffect, useState } from "preact/hooks";

import { ApiError, getJson } from "../state/api";
import type { TappedFrame } from "../state/types";

export interface Tap {
  frame: TappedFrame | null;
  problem: string;
  busy: boolean;
  refresh: () => void;
}

/** The newest frame; fetched at once, on `refresh`, and every `everyMs` while that is not 0. */
export function useTap(topic: string, everyMs = 0): Tap {
  const [frame, setFrame] = useState<TappedFrame | null>(null);
  const [problem, setProblem] = useState("");
  const [busy, setBusy] = useState(false);
  const refresh = useCallback(() => {
    setBusy(true);
    getJson<TappedFrame>(`api/tap/${encodeURIComponent(topic)}`)
      .then((answer) => {
        setFrame(answer);
        setProblem("");
      })
      .catch((error: unknown) => {
        setProblem(error instanceof ApiError ? error.message : "The frame cannot be read");
      })
      .finally(() => setBusy(false));
  }, [topic]);
  useEffect(() => {
    setFrame(null);
    refresh();
  }, [refresh]);
  useEffect(() => {
    if (everyMs === 0) return undefined;
    const timer = setInterval(refresh, everyMs);
    return () => clearInterval(timer);
  }, [refresh, everyMs]);
  return { frame, problem, busy, refresh };
}
