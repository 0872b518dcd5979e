// Holds dashboards against the types that Grafana publishes: unknown keys, wrong types and enum values, missing fields.
// node check.mjs DASHBOARD.json... prints a line for each fault; exit status 1 if there is one.
import ts from 'typescript';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const MODULES = join(dirname(fileURLToPath(import.meta.url)), 'node_modules');
const RELEASES = [
  ['@grafana/schema', 'dist/types/index.d.ts'],
  ['grafana-schema-11', 'dist/esm/index.d.mts'],
];
// The package has no types for queries to Prometheus; these are PrometheusQueryProperties of Grafana's pkg/promlib.
const QUERY = {
  datasource: 'object', refId: 'string', hide: 'boolean', expr: 'string', range: 'boolean', instant: 'boolean',
  exemplar: 'boolean', legendFormat: 'string', interval: 'string', intervalFactor: 'number',
  format: ['time_series', 'table', 'heatmap'], editorMode: ['code', 'builder'],
};

/** Return the published types of a release: the dashboard's, and options and field configuration of each kind of panel. */
function published([name, index], kinds) {
  const home = join(MODULES, name);
  const files = kinds.map((kind) => {
    const folder = join(home, 'dist/esm/raw/composable', kind.replaceAll('-', ''), 'panelcfg/x');
    return existsSync(folder) && join(folder, readdirSync(folder).find((file) => file.endsWith('types.gen.d.ts')));
  });
  const program = ts.createProgram([join(home, index), ...files.filter(Boolean)], {
    strict: true, skipLibCheck: true, noEmit: true, types: [], target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler,
    baseUrl: home, paths: { '@grafana/schema': [join(home, index)] }, // the panels' types import it by this name
  });
  const checker = program.getTypeChecker();
  const named = (file, wanted) => {
    const symbol = checker.getSymbolAtLocation(program.getSourceFile(file));
    const found = checker.getExportsOfModule(symbol).find((one) => one.name === wanted);
    return found && checker.getDeclaredTypeOfSymbol(found);
  };
  const panels = new Map(kinds.map((kind, at) => [kind, files[at] && {
    options: named(files[at], 'Options'), custom: named(files[at], 'FieldConfig'),
  }]));
  const version = JSON.parse(readFileSync(join(home, 'package.json'))).version;
  return { checker, version, dashboard: named(join(home, index), 'Dashboard'), row: named(join(home, index), 'RowPanel'), panel: named(join(home, index), 'Panel'), panels };
}

/** Return what is wrong with a value; `partial` where Grafana itself fills in what is missing. */
function faults(checker, value, type, path, partial = false) {
  if (type.flags & (ts.TypeFlags.Any | ts.TypeFlags.Unknown)) return [];
  if (type.isUnion()) {
    const each = type.types.map((member) => faults(checker, value, member, path, partial));
    const fits = each.some((found) => found.length === 0);
    const near = each.filter((_, at) => typeof value === 'object' && type.types[at].flags & ts.TypeFlags.Object);
    return fits ? [] : near.sort((a, b) => a.length - b.length)[0] ?? [`${path}: ${JSON.stringify(value)} is no ${checker.typeToString(type)}`];
  }
  const wrong = [`${path}: ${JSON.stringify(value)?.slice(0, 60)} is no ${checker.typeToString(type)}`];
  if (value === null) return type.flags & ts.TypeFlags.Null ? [] : wrong;
  if (typeof value !== 'object') return simple(checker, value, type) ? [] : wrong;
  if (checker.isArrayType(type)) {
    const member = checker.getTypeArguments(type)[0];
    return Array.isArray(value) ? value.flatMap((one, at) => faults(checker, one, member, `${path}[${at}]`, partial)) : wrong;
  }
  if (Array.isArray(value) || !(type.flags & (ts.TypeFlags.Object | ts.TypeFlags.Intersection))) return wrong;
  return fields(checker, value, type, path, partial);
}

function simple(checker, value, type) {
  if (type.isLiteral()) return type.value === value;
  if (type.flags & ts.TypeFlags.BooleanLiteral) return checker.typeToString(type) === String(value);
  const flag = { string: ts.TypeFlags.String, number: ts.TypeFlags.Number, boolean: ts.TypeFlags.Boolean }[typeof value];
  return Boolean(type.flags & flag);
}

function fields(checker, value, type, path, partial) {
  const known = new Map(checker.getPropertiesOfType(type).map((property) => [property.name, property]));
  const other = checker.getIndexTypeOfType(type, ts.IndexKind.String);
  const found = Object.entries(value).flatMap(([key, inner]) => {
    const expected = known.has(key) ? checker.getTypeOfSymbol(known.get(key)) : other;
    return expected ? faults(checker, inner, expected, `${path}.${key}`, partial) : [`${path}.${key}: no such field`];
  });
  const needed = [...known.values()].filter((property) => !partial && !(property.flags & ts.SymbolFlags.Optional));
  return [...found, ...needed.filter(({ name }) => !(name in value)).map(({ name }) => `${path}.${name}: missing`)];
}

function panelFaults({ checker, panel: base, panels }, panel, path) {
  const kind = panels.get(panel.type);
  if (!kind) return [`${path}.type: no published types for ${panel.type}`];
  const check = (value, type, at) => (value === undefined ? [] : type ? faults(checker, value, type, `${path}.${at}`, true) : Object.keys(value).map((key) => `${path}.${at}.${key}: no such field`));
  return [
    ...faults(checker, panel, base, path),
    ...check(panel.options, kind.options, 'options'),
    ...check(panel.fieldConfig?.defaults?.custom, kind.custom, 'fieldConfig.defaults.custom'),
    ...(panel.fieldConfig?.overrides ?? []).flatMap((override, at) => override.properties.flatMap(({ id, value }) => overrideFaults(checker, id, value, base, kind, `${path}.overrides[${at}].${id}`))),
    ...(panel.targets ?? []).flatMap((query, at) => queryFaults(query, `${path}.targets[${at}]`)),
  ];
}

function overrideFaults(checker, id, value, base, kind, path) {
  const own = id.startsWith('custom.');
  const config = checker.getTypeOfSymbol(base.getProperty('fieldConfig')).getNonNullableType();
  const type = own ? kind.custom : checker.getTypeOfSymbol(config.getProperty('defaults'));
  // An id can lead inside, as in custom.hideFrom or custom.scaleDistribution.type.
  const nested = id.split('.').slice(own ? 1 : 0).reduceRight((inner, key) => ({ [key]: inner }), value);
  return type ? faults(checker, nested, type, path, true) : [`${path}: no such field`];
}

function queryFaults(query, path) {
  const fits = (value, expected) => (Array.isArray(expected) ? expected.includes(value) : typeof value === expected);
  return Object.entries(query).filter(([key, value]) => !(key in QUERY) || !fits(value, QUERY[key])).map(([key, value]) => `${path}.${key}: ${JSON.stringify(value)} is not of Grafana's queries to Prometheus`);
}

const dashboards = process.argv.slice(2).map((file) => [file.split('/').pop(), JSON.parse(readFileSync(file, 'utf8'))]);
const everyPanel = (dashboard) => dashboard.panels.flatMap((panel) => [panel, ...(panel.panels ?? [])]);
const kinds = [...new Set(dashboards.flatMap(([, dashboard]) => everyPanel(dashboard).map((panel) => panel.type)))].filter((kind) => kind !== 'row');
let count = 0;
for (const release of RELEASES) {
  const types = published(release, kinds);
  for (const [name, { panels, ...rest }] of dashboards) {
    const found = [
      ...faults(types.checker, { ...rest, panels: [] }, types.dashboard, name),
      ...everyPanel({ panels }).flatMap((panel) => (panel.type === 'row'
        ? faults(types.checker, { ...panel, panels: [] }, types.row, `${name}#${panel.id}`)
        : panelFaults(types, panel, `${name}#${panel.id}`))),
    ];
    found.forEach((fault) => console.log(`${types.version} ${fault}`));
    count += found.length;
  }
}
process.exit(count ? 1 : 0);
