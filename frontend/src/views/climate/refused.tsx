/** That the server could not answer, above what it answered last. */

import type { JSX } from "preact";

import { Icon } from "../../ui/icons";

export function Refused({ error }: { error: string }): JSX.Element | null {
  if (!error) return null;
  return <p class="model-note bad climate-refused" role="alert"><Icon name="failed" />{error}</p>;
}
