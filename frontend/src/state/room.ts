/** What a room's flow says: its senses at one moment, how they went, and what followed. */

import type { Activity, TappedFrame } from "./types";

export interface Senses {
  time: number;
  /** Faces in the picture; null where the camera says nothing. */
  faces: number | null;
  present: boolean | null;
  confidence: number;
  breathing: number | null;
  temperature: number | null;
  humidity: number | null;
  noise: number | null;
  window: number | null;
  missing: readonly string[];
}

export interface Trend {
  times: readonly number[];
  values: Record<string, readonly (number | null)[]>;
}

export interface Ahead {
  values: readonly number[];
  times: readonly number[];
  filled: number;
}

export const NO_TREND: Trend = { times: [], values: {} };

function record(value: unknown): Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {};
}

function number(value: unknown): number | null {
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

/** The senses of one moment, as pipeline `room` fuses them. */
export function sensesOf(frame: TappedFrame | null): Senses | null {
  if (!frame) return null;
  const said = record(frame.preview);
  const time = number(said.time);
  if (time === null) return null;
  const [camera, csi, air] = [record(said.camera), record(said.csi), record(said.air)];
  return {
    time,
    faces: Array.isArray(camera.detections) ? camera.detections.length : null,
    present: typeof csi.presence === "boolean" ? csi.presence : null,
    confidence: number(csi.breathing_confidence) ?? 0,
    breathing: number(csi.breathing_bpm),
    temperature: number(air.temperature),
    humidity: number(air.humidity),
    noise: number(air.sound_volume),
    window: number(air.window_position),
    missing: Array.isArray(said.missing) ? said.missing.map(String) : [],
  };
}

/** What a pipeline with `series.history` keeps. */
export function trendOf(frame: TappedFrame | null): Trend {
  const said = record(record(frame?.meta.result).history);
  const times = Array.isArray(said.times) ? said.times.map(Number) : [];
  const values: Trend["values"] = {};
  for (const [key, list] of Object.entries(record(said.values))) {
    if (Array.isArray(list) && list.length === times.length) values[key] = list.map(number);
  }
  return { times, values };
}

/** What a pipeline with `series.ahead` tells. */
export function aheadOf(frame: TappedFrame | null): Ahead | null {
  const said = record(record(frame?.meta.result).forecast);
  if (!Array.isArray(said.values) || !Array.isArray(said.times) || said.values.length !== said.times.length) return null;
  return { values: said.values.map(Number), times: said.times.map(Number), filled: number(said.filled) ?? 1 };
}

/** Whether somebody is there: one sense that says so is enough, and none that speaks is not. */
export function somebody(senses: Senses | null): boolean | null {
  if (!senses || (senses.faces === null && senses.present === null)) return null;
  return (senses.faces ?? 0) > 0 || senses.present === true;
}

/** Moves of the window, newest first. */
export function decisions(all: readonly Activity[]): Activity[] {
  return all.filter((entry) => entry.kind === "alert" && entry.detail.event === "window").reverse();
}

/** Alarms and their ends, newest first. */
export function alarms(all: readonly Activity[]): Activity[] {
  return all.filter((entry) => entry.kind === "alert" && (entry.detail.event === "alarm" || entry.detail.event === "cleared")).reverse();
}

/** Alarms that have not ended. */
export function open(all: readonly Activity[]): Activity[] {
  const newest = new Map<string, Activity>();
  for (const entry of alarms(all)) if (!newest.has(entry.agent)) newest.set(entry.agent, entry);
  return [...newest.values()].filter((entry) => entry.detail.event === "alarm");
}

/** Mean error of forecasts for `ahead` seconds later against what came; null without any. */
export function missedBy(told: Trend, came: Trend, toldKey: string, cameKey: string, ahead: number): number | null {
  const actual = came.values[cameKey] ?? [];
  let [sum, count, at] = [0, 0, 0];
  told.times.forEach((time, index) => {
    const value = told.values[toldKey]?.[index] ?? null;
    while (at < came.times.length && (came.times[at] ?? 0) < time + ahead) at += 1;
    const real = at < came.times.length ? (actual[at] ?? null) : null;
    if (value === null || real === null) return;
    sum += Math.abs(value - real);
    count += 1;
  });
  return count > 0 ? sum / count : null;
}
