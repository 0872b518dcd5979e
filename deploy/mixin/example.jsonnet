// jsonnet -S -m OUT example.jsonnet writes both files, as JSON, which Prometheus reads as YAML.
local mixin = (import 'mixin.libsonnet') + {
  _config+:: {
    runbookPrefix: 'https://git.example.org/joulo-exporter/src/',
    alerts+: { JouloChargerOffline: { 'for': '2h' } },
  },
};
{
  'joulo-alerts.yml': std.manifestJsonEx(mixin.prometheusAlerts, '  '),
  'joulo-rules.yml': std.manifestJsonEx(mixin.prometheusRules, '  '),
}
