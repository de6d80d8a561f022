/** What happened in the rooms, newest first. */

import { signal } from "@preact/signals";
import type { JSX } from "preact";

import { clock } from "../../state/format";
import { events } from "../../state/sensing";
import type { SensingEvent } from "../../state/sensing-types";
import { Icon, type IconName } from "../../ui/icons";
import { shortName } from "./nodes";

const SHOWN = 80;
const own = signal(false);

export function Events({ name }: { name: string }): JSX.Element {
  const shown = events.value.filter((event) => !own.value || event.name === name).slice(-SHOWN).reverse();
  return (
    <section class="card csi-events" aria-label="Events">
      <header>
        <h3>Events</h3>
        <div class="choices" role="group" aria-label="Whose events">
          <button type="button" class="button small" aria-pressed={!own.value} onClick={() => (own.value = false)}>All nodes</button>
          <button type="button" class="button small" aria-pressed={own.value} onClick={() => (own.value = true)}>This node</button>
        </div>
      </header>
      {shown.length === 0 ? (
        <p class="muted">Nothing has happened yet. Somebody who comes or goes, a fall, a node that falls silent: all of it appears here.</p>
      ) : (
        <ol aria-label="Events, newest first" tabIndex={0}>
          {shown.map((event) => <Line key={event.number} event={event} />)}
        </ol>
      )}
    </section>
  );
}

function Line({ event }: { event: SensingEvent }): JSX.Element {
  const [icon, tone, text] = wordsOf(event);
  return (
    <li class={tone}>
      <time>{clock(event.time)}</time>
      <Icon name={icon} />
      <span>{text}</span>
      <span class="muted" title={event.name}>{shortName(event)}</span>
    </li>
  );
}

/** Icon, tone and text of an event. */
export function wordsOf(event: SensingEvent): [IconName, string, string] {
  switch (event.kind) {
    case "presence": return event.presence ? ["person", "ok", "somebody came"] : ["away", "", "the room is empty"];
    case "fall": return ["fall", "bad", "somebody fell"];
    case "apnea": return ["breath", "bad", "breath stopped"];
    case "silent": return ["unplugged", "warn", "the node fell silent"];
    case "back": return ["sensing", "", "the node is back"];
    case "module": return ["module", "", `module ${event.slot}: ${event.code} = ${+event.value.toPrecision(4)}`];
    default: return ["activity", "", event.kind.replaceAll("_", " ")];
  }
}
