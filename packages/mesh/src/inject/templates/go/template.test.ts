import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { executeTemplate } from './execute.ts';
import { parseTemplate } from './parser.ts';

const DATA = {
  Name: 'n',
  ObjectMeta: { labels: { app: 'web' }, annotations: { 'a.b/c': 'x' } },
  Spec: { serviceAccountName: '', containers: [{ name: 'one', ports: [{ containerPort: 80 }] }, { name: 'two' }] },
  Values: { global: { hub: 'h', flag: true, list: ['a', 'b'], empty: '' } },
  ProxyConfig: { tracing: { zipkin: { address: 'z:1' } }, interceptionMode: 'REDIRECT' },
};
const render = (text: string): string => executeTemplate(parseTemplate(text), DATA);

describe('Go templates', () => {
  const cases: [string, string][] = [
    ['plain', 'plain'],
    ['a {{- " b " -}} c', 'a b c'],
    ['{{/* a }} comment */}}x', 'x'],
    ['{{ .Name }} {{ .Values.global.hub }} {{ .Missing.Deep }}', 'n h '],
    ['{{ index .ObjectMeta.Labels "app" }}{{ index .ObjectMeta.Labels `gone` }}', 'web'],
    ['{{ if and .Values.global.flag (not .Values.global.empty) }}yes{{ else }}no{{ end }}', 'yes'],
    ['{{ if eq .Name "x" }}1{{ else if eq .Name "m" "n" }}2{{ else }}3{{ end }}', '2'],
    ['{{ range $i, $c := .Spec.Containers }}{{ if ne $i 0 }},{{ end }}{{ $c.Name }}{{ end }}', 'one,two'],
    ['{{ range .Values.global.list }}<{{ . }}>{{ else }}none{{ end }}', '<a><b>'],
    ['{{ range .Values.global.empty }}x{{ else }}none{{ end }}', 'none'],
    ['{{ $all := list }}{{ range .Spec.Containers }}{{ $all = append $all .Name }}{{ end }}{{ $all | join "," | quote }}', '"one,two"'],
    ['{{ with .Values.global.hub }}[{{ . }}]{{ end }}{{ with .Values.global.empty }}x{{ end }}', '[h]'],
    ['{{ define "t" }}({{ .Name }}){{ end }}{{ template "t" . }}', '(n)'],
    ['{{ .Missing | default .Name | trunc 63 | trimSuffix "-" }}', 'n'],
    ['{{ annotation .ObjectMeta `a.b/c` "d" }}{{ annotation .ObjectMeta `e` 7 }}', 'x7'],
    ['{{ isset .ObjectMeta.Annotations `a.b/c` }}', 'true'],
    ['{{ .ProxyConfig.GetTracing.GetZipkin.Address }} {{ .ProxyConfig.InterceptionMode.String }}', 'z:1 REDIRECT'],
    ['{{ (index .Spec.Containers 0).Name }}', 'one'],
    ['{{ toYaml .Values.global.list | indent 2 }}', '- a\n  - b'],
    ['x:{{ toYaml .Values.global.list | nindent 2 }}', 'x:\n  - a\n  - b'],
    ['{{ $.Name }}{{ range .Values.global.list }}{{ $.Name }}{{ end }}', 'nnn'],
    ['{{ printf "%s-%d-%q" .Name 3 "z" }}', 'n-3-"z"'],
    ['{{ contains "/" "a/b" }}{{ contains "/" "ab" }}', 'truefalse'],
    ['{{ includeInboundPorts .Spec.Containers }}', '80'],
    ['{{ eq .Spec.ServiceAccountName "" }}', 'true'],
    ['{{ if and .Missing true }}x{{ else }}none{{ end }}{{ or .Missing false }}', 'nonefalse'],
    ['{{ "-_a.b-" | trimAll "-_." }}', 'a.b'],
    ['{{ if eq (.Values.gone.env).FLAG true }}x{{ end }}{{ (.Values.global).hub }}', 'h'],
    ['{{ otelResourceAttributes .MeshConfig .ObjectMeta.Annotations .ObjectMeta.Labels "ns" .Spec.Containers }}', ''],
  ];
  for (const [text, expected] of cases) test(text, () => assert.equal(render(text), expected));

  const refused: [string, RegExp][] = [
    ['{{ if .Name }}', /"if" is not closed/],
    ['{{ end }}', /"end" without an opening action/],
    ['{{ .Name', /not closed/],
    ['a\n{{ # }}', /line 2: unexpected/],
    ['{{ nope 1 }}', /function "nope" is not supported/],
    ['{{ $x }}', /undefined variable \$x/],
    ['{{ template "gone" . }}', /"gone" is not defined/],
    ['{{ define "t" }}{{ template "t" . }}{{ end }}{{ template "t" . }}', /without end/],
    ['{{ break }}', /not supported/],
    ['{{ constructor }}', /not supported/],
  ];
  for (const [text, message] of refused) test(`refuses ${JSON.stringify(text)}`, () => assert.throws(() => render(text), message));

  test('a template cannot run for ever or fill the memory', () => {
    const nested = ['{{ range .Spec.Containers }}'.repeat(20), 'x', '{{ end }}'.repeat(20)].join('');
    assert.throws(() => executeTemplate(parseTemplate(nested.replaceAll('.Spec.Containers', '$.Spec.Containers')), DATA), /more than/);
    assert.throws(() => parseTemplate('{{ if 1 }}'.repeat(500)), /nested deeper/);
  });
});
