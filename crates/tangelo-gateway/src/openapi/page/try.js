// Shows an OpenAPI document and lets calls be tried. Whatever is shown is text: nothing of it becomes HTML.
'use strict';

const METHODS = ['get', 'head', 'post', 'put', 'patch', 'delete'];
const JSON_TYPE = 'application/json';
const FORM_TYPE = 'application/x-www-form-urlencoded';
const PARTS_TYPE = 'multipart/form-data';

const element = (name, attributes = {}, ...children) => {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === 'text') made.textContent = value;
    else if (value === true) made.setAttribute(key, '');
    else if (value !== false && value !== undefined) made.setAttribute(key, value);
  }
  made.append(...children);
  return made;
};

let api;

// What a reference leads to. The document refers to itself only.
const resolved = (thing) => {
  for (let steps = 0; thing && thing.$ref && steps < 16; steps++) {
    let found = api;
    for (const step of thing.$ref.replace(/^#\//, '').split('/')) found = found?.[step];
    thing = { ...found, ...(thing.description ? { description: thing.description } : {}) };
  }
  return thing ?? {};
};

// A value that a schema allows, to begin with.
const sample = (schema, depth = 0) => {
  schema = resolved(schema);
  if (schema.enum) return schema.enum[0];
  switch (schema.type) {
    case 'object': {
      const made = {};
      // Of what cannot be said together the first; nothing that an empty text is not.
      const apart = new Set((schema.not?.anyOf ?? []).map((pair) => pair.required[1]));
      for (const [name, below] of Object.entries(schema.properties ?? {})) {
        const { type, pattern, format } = resolved(below);
        const isForm = type === 'string' && (pattern || format) && !/^u?int64$/.test(format);
        if (depth < 3 && !apart.has(name) && !isForm && !below.deprecated) made[name] = sample(below, depth + 1);
      }
      return made;
    }
    case 'array': return depth < 3 && resolved(schema.items).maximum !== 255 ? [sample(schema.items, depth + 1)] : [];
    case 'integer':
    case 'number': return Math.max(schema.minimum ?? 0, Math.min(0, schema.maximum ?? 0));
    case 'boolean': return false;
    case 'string': return schema.format === 'int64' || schema.format === 'uint64' ? '0' : '';
    default: return null;
  }
};

const kind = (schema) => {
  schema = resolved(schema);
  if (schema.type === 'array') return `list of ${kind(schema.items)}`;
  return [schema.format ?? schema.type ?? 'any', schema.enum ? `(${schema.enum.join(', ')})` : ''].join(' ').trim();
};

const field = (label, input, note) => {
  const row = element('label', { class: 'field' }, element('span', { text: label }), input);
  if (note) row.append(element('small', { text: note }));
  return row;
};

// The input for a parameter. Each line is a value where several may be.
const parameterInput = (parameter) => {
  const schema = resolved(parameter.schema);
  const several = schema.type === 'array';
  const input = element(several ? 'textarea' : 'input', {
    required: parameter.in === 'path',
    autocomplete: 'off',
    placeholder: several ? 'one on each line' : kind(schema),
  });
  const note = [parameter.description, parameter.in === 'query' ? '' : `in the ${parameter.in}`];
  const values = () => (several ? input.value.split('\n') : [input.value]).filter((value) => value !== '');
  return { parameter, values, row: field(parameter.name + (parameter.required ? ' *' : ''), input, note.filter(Boolean).join('\n')) };
};

// A body in parts: an input for each of them, and one for files.
const partsInput = (schema) => {
  const inputs = Object.entries(resolved(schema).properties ?? {}).map(([name, below]) => {
    const { type, items } = resolved(below);
    const isFile = resolved(items ?? below).format === 'binary';
    const several = type === 'array';
    const input = isFile ? element('input', { type: 'file', multiple: several })
      : element(several ? 'textarea' : 'input', { autocomplete: 'off', placeholder: several ? 'one on each line' : kind(below) });
    const lines = () => (several ? input.value.split('\n') : [input.value]).filter((value) => value !== '');
    return { name, row: field(name, input, below.description), values: () => (isFile ? [...input.files] : lines()) };
  });
  const data = () => {
    const form = new FormData();
    for (const { name, values } of inputs) for (const value of values()) form.append(name, value);
    return form;
  };
  return { data, row: element('div', {}, ...inputs.map((input) => input.row)) };
};

const bodyInput = (body) => {
  const types = Object.keys(body.content).filter((type) => type !== 'application/octet-stream');
  if (types.length === 0) types.push('application/octet-stream');
  const type = element('select', { 'aria-label': 'content type' }, ...types.map((it) => element('option', { text: it })));
  const text = element('textarea', { spellcheck: 'false', 'aria-label': 'body' });
  const parts = body.content[PARTS_TYPE] && partsInput(body.content[PARTS_TYPE].schema);
  const isParts = () => type.value === PARTS_TYPE;
  const fill = () => {
    text.hidden = isParts();
    if (parts) parts.row.hidden = !isParts();
    const made = sample(body.content[type.value]?.schema);
    if (type.value === JSON_TYPE) text.value = JSON.stringify(made, null, 2);
    else if (type.value === FORM_TYPE) {
      text.value = Object.entries(made ?? {}).map(([name, value]) => `${name}=${encodeURIComponent(value)}`).join('&');
    } else text.value = '';
  };
  type.addEventListener('change', fill);
  fill();
  const rows = [field('body', type), text, ...(parts ? [parts.row] : [])];
  return { type: () => type.value, data: () => (isParts() ? parts.data() : text.value), rows };
};

// A request as it is sent: address, and what goes to fetch.
const request = (path, method, inputs, body) => {
  const query = new URLSearchParams();
  const headers = {};
  for (const { parameter, values } of inputs) {
    const [first] = values();
    if (parameter.in === 'path') path = path.replace(`{${parameter.name}}`, encodeURIComponent(first ?? ''));
    else if (parameter.in === 'query') for (const value of values()) query.append(parameter.name, value);
    else if (parameter.in === 'header' && first !== undefined) headers[parameter.name] = first;
  }
  const address = new URL(path, location.origin);
  address.search = query;
  const options = { method: method.toUpperCase(), headers, credentials: 'same-origin', redirect: 'manual' };
  const data = body?.data() ?? '';
  if (data !== '') {
    // What stands between parts the browser chooses, and says.
    if (!(data instanceof FormData)) headers['content-type'] = body.type();
    options.body = data;
  }
  return [address, options];
};

const quoted = (text) => `'${text.replaceAll("'", `'\\''`)}'`;

const curl = (address, options) => {
  const parts = ['curl -i'];
  if (options.method === 'HEAD') parts[0] = 'curl -I';
  else if (options.method !== 'GET') parts.push(`-X ${options.method}`);
  for (const [name, value] of Object.entries(options.headers)) parts.push(`-H ${quoted(`${name}: ${value}`)}`);
  if (options.body instanceof FormData) {
    for (const [name, value] of options.body) parts.push(`-F ${quoted(`${name}=${value instanceof File ? `@${value.name}` : value}`)}`);
  } else if (options.body) parts.push(`--data-binary ${quoted(options.body)}`);
  return [...parts, quoted(address.href)].join(' ');
};

const pretty = (text, type) => {
  // As it came, where reading and writing it would change it: numbers beyond 2^53.
  if (!(type ?? '').includes('json') || /\d{16}/.test(text)) return text;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
};

const call = async (address, options, shown) => {
  shown.replaceChildren(element('pre', { text: curl(address, options) }), element('p', { text: '...' }));
  const begun = performance.now();
  let status, headers = '', body;
  try {
    const response = await fetch(address, options);
    const took = `${Math.round(performance.now() - begun)} ms`;
    status = response.type === 'opaqueredirect' ? `a redirect, ${took}` : `${response.status} ${response.statusText}, ${took}`;
    headers = [...response.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    body = pretty(await response.text(), response.headers.get('content-type'));
  } catch (error) {
    status = 'failed';
    body = String(error);
  }
  shown.replaceChildren(
    element('pre', { text: curl(address, options) }),
    element('p', { class: 'status', text: status }),
    element('pre', { class: 'headers', text: headers, hidden: headers === '' }),
    element('pre', { class: 'answer', text: body, hidden: body === '' }),
  );
};

const form = (path, method, operation) => {
  const parameters = (operation.parameters ?? []).filter((parameter) => parameter.in !== 'cookie');
  const inputs = parameters.map(parameterInput);
  const body = operation.requestBody ? bodyInput(operation.requestBody) : undefined;
  const shown = element('div', { class: 'response' });
  const made = element('form', {}, ...inputs.map((input) => input.row), ...(body?.rows ?? []),
    element('button', { text: 'Send' }), shown);
  made.addEventListener('submit', (event) => {
    event.preventDefault();
    const [address, options] = request(path, method, inputs, body);
    call(address, options, shown);
  });
  return made;
};

const operationElement = (path, method, operation) => {
  const summary = element('summary', { class: operation.deprecated ? 'deprecated' : '' },
    element('span', { class: 'method', text: method.toUpperCase() }), element('code', { text: path }),
    ` ${operation.summary ?? ''}`);
  const needsLogin = operation.security?.length === 1;
  const details = element('details', { id: operation.operationId }, summary);
  // Made when somebody looks at it: there may be thousands.
  details.addEventListener('toggle', () => {
    if (!details.open || details.children.length > 1) return;
    const note = [operation.description, needsLogin ? 'Needs a login.' : ''].filter(Boolean).join('\n\n');
    details.append(element('p', { class: 'note', text: note }), form(path, method, operation));
  });
  details.dataset.words = `${path} ${operation.summary ?? ''} ${operation.operationId}`.toLowerCase();
  return details;
};

const show = () => {
  document.getElementById('about').textContent = [`Version ${api.info.version}`, api.info.description].filter(Boolean).join('\n');
  const sections = new Map((api.tags ?? []).map((tag) => [tag.name, element('section', {},
    element('h2', { text: tag.name }), element('p', { class: 'note', text: tag.description ?? '' }))]));
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((it) => item[it])) {
      sections.get(item[method].tags[0])?.append(operationElement(path, method, item[method]));
    }
  }
  const calls = document.getElementById('calls');
  calls.replaceChildren(...sections.values());
  document.getElementById('filter').addEventListener('input', (event) => {
    const words = event.target.value.toLowerCase();
    for (const details of calls.querySelectorAll('details')) details.hidden = !details.dataset.words.includes(words);
    for (const section of sections.values()) section.hidden = !section.querySelector('details:not([hidden])');
  });
};

const load = async () => {
  try {
    const response = await fetch(document.querySelector('meta[name=openapi]').content);
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    api = await response.json();
    show();
  } catch (error) {
    document.getElementById('calls').replaceChildren(element('p', { text: `The document cannot be read: ${error.message}` }));
  }
};

load();
