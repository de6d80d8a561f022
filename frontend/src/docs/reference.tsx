/** The API reference: what /openapi.json says, in a form to read and to try. */

import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";

import { address, getJson } from "../state/api";
import { theme, toggleTheme } from "../state/theme";
import { Mark } from "../ui/head";
import { Empty, IconButton } from "../ui/parts";
import { type Document, type Group, groups, type Operation, outline, outlineText, typeName } from "./openapi";
import { Try } from "./try";

export function Reference(): JSX.Element {
  const [document, setDocument] = useState<Document | null>(null);
  const [problem, setProblem] = useState("");
  useEffect(() => {
    getJson<Document>("openapi.json")
      .then((answer) => {
        setDocument(answer);
        requestAnimationFrame(() => globalThis.document.getElementById(location.hash.slice(1))?.scrollIntoView());
      })
      .catch((error: Error) => setProblem(error.message));
  }, []);
  const dark = theme.value === "dark";
  return (
    <div class="shell">
      <header class="head">
        <div class="head-bar">
          <a class="brand" href={address("dashboard")}>
            <Mark />
            <span class="brand-name">{document?.info.title ?? "API"}</span>
          </a>
          {document && <span class="muted">{document.info.version}</span>}
          <div class="head-end">
            <a class="button" href={address("dashboard")}>Dashboard</a>
            <IconButton icon={dark ? "sun" : "moon"} label={dark ? "Use light colours" : "Use dark colours"} onClick={toggleTheme} />
          </div>
        </div>
      </header>
      <main id="main">
        {document ? <Contents document={document} /> : problem ? (
          <Empty icon="unplugged" title="The description of the API cannot be read">{problem}</Empty>
        ) : (
          <Empty icon="starting" title="Reading /openapi.json" />
        )}
      </main>
    </div>
  );
}

function Contents({ document }: { document: Document }): JSX.Element {
  const all = groups(document);
  return (
    <div class="reference">
      <nav class="toc" aria-label="Operations">
        {all.map((group) => (
          <section key={group.name}>
            <h3>{group.name}</h3>
            {group.operations.map((each) => (
              <a key={each.id} href={`#${each.id}`}>
                <Method name={each.method} />
                {each.path}
              </a>
            ))}
          </section>
        ))}
      </nav>
      <div class="operations">
        {document.info.description && <p class="intro">{document.info.description}</p>}
        {all.map((group) => (
          <GroupSection key={group.name} group={group} document={document} />
        ))}
      </div>
    </div>
  );
}

function GroupSection({ group, document }: { group: Group; document: Document }): JSX.Element {
  return (
    <section>
      <h1>{group.name}</h1>
      {group.description && <p class="muted">{group.description}</p>}
      {group.operations.map((operation) => (
        <OperationCard key={operation.id} operation={operation} document={document} />
      ))}
    </section>
  );
}

function Method({ name }: { name: string }): JSX.Element {
  return <span class={`method ${name}`}>{name.toUpperCase()}</span>;
}

function OperationCard({ operation, document }: { operation: Operation; document: Document }): JSX.Element {
  return (
    <article class="operation" id={operation.id}>
      <header>
        <Method name={operation.method} />
        <h2><a href={`#${operation.id}`}>{operation.path}</a></h2>
        <span class="muted">{operation.summary}</span>
      </header>
      {operation.description && <p class="description">{operation.description}</p>}
      <Parameters operation={operation} />
      {operation.requestBody && (
        <>
          <h3>Body</h3>
          <Contained body={operation.requestBody} document={document} />
        </>
      )}
      <Responses operation={operation} document={document} />
      {operation.method === "get" && <Try operation={operation} />}
    </article>
  );
}

function Parameters({ operation }: { operation: Operation }): JSX.Element | null {
  const parameters = operation.parameters ?? [];
  if (parameters.length === 0) return null;
  return (
    <>
      <h3>Parameters</h3>
      <dl class="parameters">
        {parameters.map((each) => (
          <div key={`${each.in}:${each.name}`}>
            <dt>
              <code>{each.name}</code>
              <span class="faint">{each.in}{each.required ? ", required" : ""}</span>
            </dt>
            <dd>
              <span class="muted">{typeName(each.schema)}</span>
              {each.schema?.default !== undefined && each.schema.default !== null && (
                <span class="faint"> default {JSON.stringify(each.schema.default)}</span>
              )}
              {each.description && <p>{each.description}</p>}
            </dd>
          </div>
        ))}
      </dl>
    </>
  );
}

function Responses({ operation, document }: { operation: Operation; document: Document }): JSX.Element {
  return (
    <>
      <h3>Responses</h3>
      {Object.entries(operation.responses ?? {}).map(([code, body]) => (
        <details key={code} class="response" open={code.startsWith("2")}>
          <summary>
            <b>{code}</b> <span class="muted">{body.description}</span>
            <span class="faint"> {Object.keys(body.content ?? {}).join(", ")}</span>
          </summary>
          <Contained body={body} document={document} />
        </details>
      ))}
    </>
  );
}

type Content = NonNullable<Operation["requestBody"]>;

function Contained({ body, document }: { body: Content; document: Document }): JSX.Element {
  return (
    <>
      {Object.entries(body.content ?? {}).map(([type, content]) => {
        const shape = outline(content.schema, document);
        if (shape === "any") return null;
        return (
          <div key={type} class="content">
            {typeof shape === "object" ? <pre class="json">{outlineText(shape)}</pre> : <code>{String(shape)}</code>}
          </div>
        );
      })}
    </>
  );
}
