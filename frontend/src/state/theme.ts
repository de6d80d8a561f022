/** Dark or light: the system's choice until the user makes one, which is remembered. */

import { signal } from "@preact/signals";

export type Theme = "dark" | "light";

const KEY = "edgeflow.theme";

function remembered(): Theme | null {
  try {
    const value = localStorage.getItem(KEY);
    return value === "dark" || value === "light" ? value : null;
  } catch {
    return null;
  }
}

const system = matchMedia("(prefers-color-scheme: dark)");

export const theme = signal<Theme>(remembered() ?? (system.matches ? "dark" : "light"));

function show(value: Theme): void {
  theme.value = value;
  document.documentElement.dataset["theme"] = value;
}

/** Apply the theme and follow the system while the user has not chosen. */
export function followTheme(): void {
  show(theme.value);
  system.addEventListener("change", () => {
    if (remembered() === null) show(system.matches ? "dark" : "light");
  });
}

export function toggleTheme(): void {
  const next: Theme = theme.value === "dark" ? "light" : "dark";
  show(next);
  try {
    localStorage.setItem(KEY, next);
  } catch {
    // A browser that stores nothing still shows the choice until it is closed.
  }
}
