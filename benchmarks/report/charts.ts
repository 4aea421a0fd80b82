// Charts as SVG text, drawn by ECharts on the server. The library is loaded when the first chart is wanted, from the
// package or from the copy beside this file in an installed stratafs; without it there are no charts and the tables remain.

import type { Contestant, Row } from './document.js';
import { short } from './format.js';

/** What of ECharts is used. Its own types are not needed to build stratafs, and neither is it. */
type Option = Readonly<Record<string, unknown>>;
interface Chart {
  setOption(option: Option): void;
  renderToSVGString(): string;
  dispose(): void;
}
type Init = (element: null, theme: null, options: Option) => Chart;
interface CustomApi {
  coord(point: readonly [number, number]): [number, number];
  value(dimension: number): number;
}

export type Draw = (option: Option, width: number, height: number) => string;

const LIBRARIES = ['echarts', './echarts.mjs'] as const;

/** ECharts wants colours that it can compute with; these stand for the page's own text colour. */
const TEXT = '#010203';
const LINES = 'rgba(128,128,128,0.35)';
const FONT = 'system-ui, sans-serif';

const COLORS: Readonly<Record<string, string>> = {
  host: '#8a8f98',
  overlayfs: '#4c78a8',
  'fuse-overlayfs': '#d99a2b',
  unionfs: '#a4709a',
  mergerfs: '#9c755f',
  stratafs: '#0a8f86',
  'stratafs-nopt': '#56b5a8',
  'stratafs-vol': '#2f6f4f',
  'stratafs-fn': '#8fb93e',
};
const MORE_COLORS = ['#d1495b', '#7a5cc2', '#c7752c', '#3f9142'];

/** The same colour for a competitor in every chart. */
export function colorOf(id: string, all: readonly Contestant[]): string {
  const extras = all.filter((one) => COLORS[one.id] === undefined).map((one) => one.id);
  return COLORS[id] ?? (MORE_COLORS[extras.indexOf(id) % MORE_COLORS.length] as string);
}

/** Undefined where the library is not there. */
export async function loadCharts(libraries: readonly string[] = LIBRARIES): Promise<Draw | undefined> {
  for (const name of libraries) {
    const library = await import(name).then(
      (loaded: { init: Init }) => loaded,
      () => undefined,
    );
    if (library !== undefined) return drawWith(library.init);
  }
  return undefined;
}

function drawWith(init: Init): Draw {
  return (option, width, height) => {
    const chart = init(null, null, { renderer: 'svg', ssr: true, width, height });
    const plain = { animation: false, textStyle: { fontFamily: FONT, color: TEXT }, backgroundColor: 'transparent' };
    chart.setOption({ ...plain, ...option });
    const svg = chart.renderToSVGString();
    chart.dispose();
    return thinned(svg);
  };
}

/** An SVG for a page: its size follows the width that there is. */
export function inline(svg: string): string {
  return svg.replace(/ width="(\d+)" height="(\d+)"/, ' width="100%" style="max-width:$1px"');
}

/** What a picture does not need: pointers to data, what happens under a mouse, a font for each word, digits nobody sees. */
const DISPENSABLE = [
  / (?:ecmeta_\w+|class|pointer-events)="[^"]*"/g,
  / style="font-size:12px;font-family:[^"]*"/g,
  /<style[\s\S]*?<\/style>/g,
  /<rect width="\d+" height="\d+" x="0" y="0"[^>]*fill="(?:none|transparent)"[^>]*><\/rect>/g,
];

/** A third of the size, and the page's text colour. */
function thinned(svg: string): string {
  return DISPENSABLE.reduce((text, pattern) => text.replaceAll(pattern, ''), svg)
    .replaceAll(/(?:#010203|rgb\(1,2,3\))/g, 'currentColor')
    .replaceAll('stroke="rgb(128,128,128)" stroke-opacity="0.35"', 'stroke="#80808059"')
    .replaceAll(/ (?:d|transform)="[^"]*"/g, (numbers) => numbers.replaceAll(/(\d+\.\d)\d+/g, '$1'))
    .replaceAll(/><\/path>/g, '/>')
    .replace('<svg ', `<svg font-size="12" font-family="${FONT}" `);
}

const label = { color: TEXT, fontFamily: FONT, fontSize: 12 };

interface Mark {
  readonly from: number;
  readonly to: number;
  readonly text: string;
}

function markOf(row: Row, id: string): Mark {
  const { median, min, max } = row.results[id] ?? {};
  if (median === undefined) return { from: 0, to: 0, text: 'failed' };
  return { from: min ?? median, to: max ?? median, text: short(median) };
}

/** The whisker of each bar, from its smallest to its largest sample, and the median behind it. */
function whiskers(row: Row, shown: readonly Contestant[]): Option {
  const marks = shown.map(({ id }) => markOf(row, id));
  return {
    type: 'custom',
    data: marks.map(({ from, to }, index) => [from, to, index]),
    encode: { x: [0, 1], y: 2 },
    z: 3,
    renderItem: (_params: unknown, api: CustomApi) => {
      const from = api.coord([api.value(0), api.value(2)]);
      const to = api.coord([api.value(1), api.value(2)]);
      const style = { stroke: TEXT, lineWidth: 1.5, opacity: 0.7 };
      const line = (x1: number, y1: number, x2: number, y2: number) =>
        ({ type: 'line', shape: { x1, y1, x2, y2 }, style }) as const;
      const ends = [from, to].map(([x, y]) => line(x, y - 4, x, y + 4));
      const lines = to[0] - from[0] < 1 ? [] : [line(from[0], from[1], to[0], to[1]), ...ends];
      const text = marks[api.value(2)]?.text ?? '';
      const words = { text, x: to[0] + 7, y: to[1], fill: TEXT, font: `12px ${FONT}`, verticalAlign: 'middle' };
      return { type: 'group', children: [...lines, { type: 'text', style: words }] };
    },
  };
}

/** One row: a bar for each competitor. */
export function barChart(draw: Draw, row: Row, all: readonly Contestant[]): string {
  const shown = all.filter(({ id }) => row.results[id] !== undefined);
  const most = Math.max(...shown.map(({ id }) => row.results[id]?.max ?? 0));
  const bars = shown.map(({ id }) => ({
    value: row.results[id]?.median ?? 0,
    itemStyle: { color: colorOf(id, all) },
  }));
  const option: Option = {
    grid: { left: 104, right: 56, top: 2, bottom: 2 },
    xAxis: { type: 'value', show: false, min: 0, max: most > 0 ? most : 1 },
    yAxis: {
      type: 'category',
      inverse: true,
      data: shown.map(({ id }) => id),
      axisLine: { show: false },
      axisTick: { show: false },
      axisLabel: { ...label, margin: 6, interval: 0 },
    },
    series: [{ type: 'bar', data: bars, barWidth: 13 }, whiskers(row, shown)],
  };
  return draw(option, 380, 22 * shown.length + 4);
}

/** Rows that differ in one number: a line for each competitor, on logarithmic axes. */
export function lineChart(draw: Draw, rows: readonly Row[], all: readonly Contestant[], title = ''): string {
  const points = (id: string): [number, number][] =>
    rows.flatMap((row) => {
      const median = row.results[id]?.median;
      return row.axis === undefined || median === undefined || median <= 0 ? [] : [[row.axis.value, median]];
    });
  const shown = all.filter(({ id }) => points(id).length > 0);
  const [first] = rows;
  const values = rows.flatMap((row) => row.axis?.value ?? []);
  const axis = {
    axisLabel: label,
    splitLine: { lineStyle: { color: LINES } },
    axisLine: { lineStyle: { color: LINES } },
  };
  const option: Option = {
    legend: { bottom: 0, left: 0, itemWidth: 14, itemHeight: 8, itemGap: 22, textStyle: label, icon: 'roundRect' },
    title: { text: title, left: 0, top: 0, textStyle: { ...label, fontSize: 13 } },
    grid: { left: 8, right: 44, top: title === '' ? 30 : 54, bottom: 76, containLabel: true },
    xAxis: {
      type: 'log',
      min: Math.min(...values),
      max: Math.max(...values),
      name: first?.axis?.of ?? '',
      nameLocation: 'middle',
      nameGap: 22,
      nameTextStyle: label,
      ...axis,
      splitLine: { show: false },
    },
    yAxis: { type: 'log', name: first?.unit ?? '', nameTextStyle: { ...label, align: 'left' }, ...axis },
    series: shown.map(({ id, role }) => ({
      type: 'line' as const,
      name: id,
      data: points(id),
      symbol: 'circle',
      symbolSize: 6,
      color: colorOf(id, all),
      lineStyle: { width: role === 'subject' ? 3 : 1.5 },
    })),
  };
  return draw(option, 380, 320);
}

/** There is no font to measure here: room for the longest name at the width that letters have at most on average. */
function marginFor(rows: readonly Row[]): number {
  return 16 + 7 * Math.max(...rows.map(({ name }) => name.length));
}

/** Many rows at once: what each costs against kernel overlayfs, on a logarithmic axis. */
export function ratioChart(draw: Draw, rows: readonly Row[], all: readonly Contestant[]): string | undefined {
  const shown = all.filter(({ role }) => role !== 'host' && role !== 'kernel');
  const compared = rows.filter((row) => shown.some(({ id }) => row.results[id]?.toKernel !== undefined));
  if (compared.length === 0) return undefined;
  const option: Option = {
    legend: { top: 0, left: 0, itemWidth: 10, itemHeight: 10, itemGap: 22, textStyle: label },
    grid: { left: marginFor(compared), right: 24, top: 46, bottom: 4 },
    xAxis: {
      type: 'log',
      position: 'top',
      axisLabel: { ...label, formatter: (value: number) => `${value}x` },
      splitLine: { lineStyle: { color: LINES } },
      axisLine: { show: false },
    },
    yAxis: {
      type: 'category',
      inverse: true,
      data: compared.map(({ name }) => name),
      axisLabel: { ...label, interval: 0 },
      axisTick: { show: false },
      axisLine: { show: false },
      splitLine: { show: true, lineStyle: { color: LINES, type: 'dotted' } },
    },
    series: shown.map(({ id, role }, index) => ({
      type: 'scatter' as const,
      name: id,
      color: colorOf(id, all),
      symbolSize: role === 'subject' ? 11 : 8,
      z: role === 'subject' ? 5 : 3,
      data: compared.flatMap((row, at): [number, number][] => {
        const ratio = row.results[id]?.toKernel;
        return ratio === undefined ? [] : [[ratio, at]];
      }),
      ...(index === 0 ? { markLine: evenLine() } : {}),
    })),
  };
  return draw(option, 760, 22 * compared.length + 56);
}

/** Where the cost is the kernel's own. */
function evenLine() {
  return {
    symbol: 'none',
    silent: true,
    label: { show: false },
    lineStyle: { color: TEXT, type: 'solid' as const, width: 1, opacity: 0.6 },
    data: [{ xAxis: 1 }],
  };
}
