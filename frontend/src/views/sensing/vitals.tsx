/** What is known of the room now: each figure with how sure it is, or that there is no reading. */

import type { ComponentChildren, JSX } from "preact";

import { glance } from "../../state/sensing";
import type { Glance, VitalsUpdate } from "../../state/sensing-types";
import { Icon, type IconName } from "../../ui/icons";

export function Vitals({ silent }: { silent: boolean }): JSX.Element {
  const now = glance.value;
  const said = now?.vitals ?? null;
  const known = said !== null && !silent;
  return (
    <div class="vitals" aria-label="Vitals" role="group">
      <Presence said={known ? said : null} />
      <Motion said={known ? said : null} />
      <Rate icon="breath" title="Breathing" unit="per min" value={known ? said.breathing_bpm : null} sure={said?.breathing_confidence ?? 0} why={whyNot(known ? said : null)} />
      <Rate icon="heart" title="Heart" unit="per min" value={known ? said.heart_bpm : null} sure={said?.heart_confidence ?? 0} why={whyNot(known ? said : null)} />
      <Persons said={known ? said : null} now={now} />
    </div>
  );
}

/** Why there is no rate, as far as that is known. */
export function whyNot(said: VitalsUpdate | null): string {
  if (!said) return "nothing is heard";
  if (said.degraded) return "too few frames";
  if (!said.presence) return "nobody there";
  return "not sure enough";
}

function Card(props: { icon: IconName; title: string; tone?: string; sure?: number | null; children: ComponentChildren; note: string }): JSX.Element {
  const sure = props.sure ?? null;
  return (
    <section class={`card vital ${props.tone ?? ""}`} aria-label={props.title}>
      <h3><Icon name={props.icon} />{props.title}</h3>
      <p class="vital-value">{props.children}</p>
      <p class="vital-note">{props.note}</p>
      <Sure value={sure} />
    </section>
  );
}

function Sure({ value }: { value: number | null }): JSX.Element {
  const percent = Math.round(100 * (value ?? 0));
  return (
    <div class="sure" title={value === null ? "No confidence is told" : `Confidence ${percent} %`}>
      <meter min={0} max={100} value={percent} aria-label="Confidence" />
      <span>{value === null ? "–" : `${percent} %`}</span>
    </div>
  );
}

function Presence({ said }: { said: VitalsUpdate | null }): JSX.Element {
  if (!said) return <Card icon="person" title="Presence" note="nothing is heard"><NoReading /></Card>;
  if (said.degraded) return <Card icon="person" title="Presence" note="too few frames"><NoReading /></Card>;
  const learning = !said.calibrated && said.source === "host";
  return (
    <Card icon="person" title="Presence" tone={said.presence ? "on" : ""} sure={said.presence ? said.confidence : null} note={learning ? "learning the room" : said.presence ? "somebody is there" : "nobody is sensed"}>
      {said.presence ? "Present" : "Empty"}
    </Card>
  );
}

function Motion({ said }: { said: VitalsUpdate | null }): JSX.Element {
  if (!said) return <Card icon="activity" title="Motion" note="nothing is heard"><NoReading /></Card>;
  const limit = said.threshold;
  return (
    <section class={`card vital ${limit !== null && said.motion > limit ? "on" : ""}`} aria-label="Motion">
      <h3><Icon name="activity" />Motion</h3>
      <p class="vital-value">{said.motion.toFixed(3)}</p>
      <p class="vital-note">{limit === null ? "no threshold yet" : `threshold ${limit.toFixed(3)}`}</p>
      <Level value={said.motion} limit={limit} />
    </section>
  );
}

/** The score beside its threshold, which is at a third. */
function Level({ value, limit }: { value: number; limit: number | null }): JSX.Element {
  const most = (limit ?? 0.33) * 3;
  return (
    <div class="level" aria-hidden="true">
      <span style={{ width: `${Math.min(100, (100 * value) / most)}%` }} />
      {limit !== null && <i />}
    </div>
  );
}

function Rate(props: { icon: IconName; title: string; unit: string; value: number | null; sure: number; why: string }): JSX.Element {
  const told = props.value !== null;
  return (
    <Card icon={props.icon} title={props.title} tone={told ? "on" : ""} sure={told ? props.sure : null} note={told ? props.unit : props.why}>
      {told ? props.value?.toFixed(1) : <NoReading />}
    </Card>
  );
}

function Persons({ said, now }: { said: VitalsUpdate | null; now: Glance | null }): JSX.Element {
  const breaths = now?.person_bpm ?? [];
  const note = !said ? "nothing is heard" : breaths.length > 0 ? `breaths ${breaths.map((rate) => rate.toFixed(1)).join(", ")}` : "at most four";
  return (
    <section class={`card vital ${said && said.persons > 0 ? "on" : ""}`} aria-label="Persons">
      <h3><Icon name="person" />Persons</h3>
      <p class="vital-value">{said ? said.persons : <NoReading />}</p>
      <p class="vital-note">{note}</p>
      <div class="heads" aria-hidden="true">
        {[0, 1, 2, 3].map((each) => <span key={each} class={said && each < said.persons ? "there" : ""}><Icon name="person" /></span>)}
      </div>
    </section>
  );
}

function NoReading(): JSX.Element {
  return <span class="no-reading">no reading</span>;
}
