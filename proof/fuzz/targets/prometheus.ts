import {
  type PrometheusSample,
  PrometheusTextError,
  readPrometheusText,
} from '../../../packages/server/src/services/prometheus-text.ts';
import { broke, type FuzzTarget } from '../fuzz-target.ts';

function written({ name, labels, value }: PrometheusSample): string {
  const pairs = labels.map(([label, text]) => {
    const escaped = text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
    return `${label}="${escaped}"`;
  });
  return `${name}{${pairs.join(',')}} ${String(value).replace('Infinity', 'Inf')}\n`;
}

/** What is read, written and read again says the same. */
export const prometheusTexts: FuzzTarget = {
  name: 'figures of Prometheus targets',
  seeds: [
    '# HELP a b\n# TYPE a counter\na_total{code="200",method="get"} 10 1395066363000\n',
    'a{b="c\\\\d\\"e\\nf",} -1.5e+3\nb NaN\nc +Inf\n',
    'a_total 17 # {trace_id="x"} 0.5 123.4\r\n# EOF\n',
  ],
  words: ['{', '}', '="', '",', '\\"', '\\n', ' ', '\n', '# ', 'Inf', 'NaN', '1e9', '-.5', 'le="+Inf"'],
  create: () => (input) => {
    let samples: PrometheusSample[];
    try {
      samples = [...readPrometheusText(input.toString('utf8'))];
    } catch (error) {
      if (error instanceof PrometheusTextError) return false;
      throw error;
    }
    const again = [...readPrometheusText(samples.map(written).join(''))];
    if (samples.map(written).join('') !== again.map(written).join(''))
      broke('written anew it reads otherwise');
    return samples.length > 0;
  },
};
