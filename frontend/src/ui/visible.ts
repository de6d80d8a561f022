/** Is an element on the screen, in a tab that is shown? */

import type { RefObject } from "preact";
import { useEffect, useState } from "preact/hooks";

export function useVisible(ref: RefObject<Element | null>): boolean {
  const [inView, setInView] = useState(false);
  const [shown, setShown] = useState(!document.hidden);
  useEffect(() => {
    const element = ref.current;
    if (!element) return undefined;
    const watcher = new IntersectionObserver(
      (entries) => setInView(entries[entries.length - 1]?.isIntersecting ?? false),
      { rootMargin: "120px" },
    );
    watcher.observe(element);
    const onChange = (): void => setShown(!document.hidden);
    document.addEventListener("visibilitychange", onChange);
    return () => {
      watcher.disconnect();
      document.removeEventListener("visibilitychange", onChange);
    };
  }, [ref]);
  return inView && shown;
}
