/** Skips rendering of a component whose properties are the same as last time. */

import { Component, type FunctionComponent, h, type VNode } from "preact";

export function memo<P extends object>(view: FunctionComponent<P>): FunctionComponent<P> {
  class Memo extends Component<P> {
    override shouldComponentUpdate(next: Readonly<P>): boolean {
      const before = this.props as Record<string, unknown>;
      const after = next as Record<string, unknown>;
      const keys = Object.keys(after);
      return (
        keys.length !== Object.keys(before).length || keys.some((key) => before[key] !== after[key])
      );
    }

    override render(): VNode {
      return h(view as FunctionComponent<object>, this.props as object);
    }
  }
  return Memo as unknown as FunctionComponent<P>;
}
