/** Reads an OpenAPI 3 document: operations by tag, schemas as short types and as examples. */

export interface Schema {
  $ref?: string;
  type?: string | string[];
  format?: string;
  title?: string;
  description?: string;
  properties?: Record<string, Schema>;
  required?: string[];
  items?: Schema;
  prefixItems?: Schema[];
  additionalProperties?: boolean | Schema;
  anyOf?: Schema[];
  oneOf?: Schema[];
  allOf?: Schema[];
  enum?: unknown[];
  const?: unknown;
  default?: unknown;
  minimum?: number;
  maximum?: number;
}

export interface Parameter {
  name: string;
  in: string;
  required?: boolean;
  description?: string;
  schema?: Schema;
}

interface Body {
  description?: string;
  content?: Record<string, { schema?: Schema }>;
}

export interface RawOperation {
  summary?: string;
  description?: string;
  tags?: string[];
  parameters?: Parameter[];
  requestBody?: Body;
  responses?: Record<string, Body>;
}

export interface Document {
  info: { title: string; version: string; description?: string };
  paths: Record<string, Record<string, RawOperation>>;
  components?: { schemas?: Record<string, Schema> };
  tags?: { name: string; description?: string }[];
}

export interface Operation extends RawOperation {
  id: string;
  method: string;
  path: string;
}

export interface Group {
  name: string;
  description: string;
  operations: Operation[];
}

const METHODS = ["get", "post", "put", "patch", "delete", "head", "options"];

/** Operations in order of declaration, grouped by their first tag. */
export function groups(document: Document): Group[] {
  const found = new Map<string, Group>();
  for (const tag of document.tags ?? []) {
    found.set(tag.name, { name: tag.name, description: tag.description ?? "", operations: [] });
  }
  for (const [path, methods] of Object.entries(document.paths)) {
    for (const [method, operation] of Object.entries(methods)) {
      if (!METHODS.includes(method)) continue;
      const name = operation.tags?.[0] ?? "general";
      const group = found.get(name) ?? { name, description: "", operations: [] };
      found.set(name, group);
      group.operations.push({ ...operation, method, path, id: `${method}${path}`.replace(/[^\w]+/g, "-") });
    }
  }
  return [...found.values()].filter((group) => group.operations.length > 0);
}

const MAX_DEPTH = 6;

/** Follow a `$ref` into the components; anything else is returned as it is. */
export function resolve(schema: Schema | undefined, document: Document): Schema {
  const name = schema?.$ref?.split("/").pop();
  if (name === undefined) return schema ?? {};
  return document.components?.schemas?.[name] ?? {};
}

/** A schema as a short type: `string`, `number | null`, `NodeStatus[]`. */
export function typeName(schema: Schema | undefined): string {
  if (!schema) return "any";
  if (schema.$ref) return schema.$ref.split("/").pop() ?? "object";
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(" | ");
  const choices = schema.anyOf ?? schema.oneOf ?? schema.allOf;
  if (choices) return choices.map(typeName).join(" | ");
  if (Array.isArray(schema.type)) return schema.type.join(" | ");
  if (schema.type === "array") return `${typeName(schema.items)}[]`;
  return schema.type ?? "any";
}

/** The shape of a schema as JSON whose leaves are type names. */
export function outline(schema: Schema | undefined, document: Document, depth = 0): unknown {
  const plain = resolve(schema, document);
  if (depth > MAX_DEPTH) return "…";
  if (plain.properties) {
    return Object.fromEntries(
      Object.entries(plain.properties).map(([key, value]) => [key, outline(value, document, depth + 1)]),
    );
  }
  if (plain.prefixItems) return plain.prefixItems.map((item) => outline(item, document, depth + 1));
  if (plain.type === "array") return [outline(plain.items, document, depth + 1)];
  if (plain.type === "object" && typeof plain.additionalProperties === "object") {
    return { "<key>": outline(plain.additionalProperties, document, depth + 1) };
  }
  return typeName(plain);
}

/** The address of a call: path parameters filled in, query parameters that have a value appended. */
export function callAddress(operation: Operation, values: Record<string, string>): string {
  const query = new URLSearchParams();
  let path = operation.path;
  for (const parameter of operation.parameters ?? []) {
    const value = values[parameter.name] ?? "";
    if (parameter.in === "path") {
      path = path.replace(`{${parameter.name}}`, encodeURIComponent(value));
    } else if (parameter.in === "query" && value !== "") {
      query.set(parameter.name, value);
    }
  }
  const text = query.toString();
  return path.replace(/^\//, "") + (text ? `?${text}` : "");
}

/** An outline as indented text, without the quotes around types. */
export function outlineText(shape: unknown): string {
  return JSON.stringify(shape, null, 2).replace(/"((?:[^"\\]|\\.)*)"/g, (_all, inner: string) =>
    inner.replaceAll('\\"', '"'),
  );
}
