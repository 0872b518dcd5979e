// The rules of ../prometheus/rules and the dashboards of ../../grafana as a monitoring mixin: nothing restated.
local alertGroups =
  std.parseYaml(importstr '../prometheus/rules/joulo-sessions.yml').groups
  + std.parseYaml(importstr '../prometheus/rules/joulo-health.yml').groups;
local optionalGroups = std.parseYaml(importstr '../prometheus/rules/optional/joulo-credits.yml').groups;
local recordingGroups = std.parseYaml(importstr '../prometheus/rules/joulo-recording.yml').groups;

(import 'config.libsonnet') + {
  local config = $._config,

  local selected(rule) = rule {
    expr: std.strReplace(rule.expr, 'job=~".*joulo.*"', config.jouloSelector),
  },
  local alert(rule) =
    selected(rule) + { annotations+: { runbook_url: config.runbookPrefix + super.runbook_url } }
    + std.get(config.alerts, rule.alert, {}),

  prometheusAlerts+:: {
    groups+: [
      group { rules: [alert(rule) for rule in group.rules if !std.member(config.without, rule.alert)] }
      for group in alertGroups + (if config.optional then optionalGroups else [])
    ],
  },
  prometheusRules+:: {
    groups+: [group { rules: [selected(rule) for rule in group.rules] } for group in recordingGroups],
  },
  grafanaDashboards+:: {
    'joulo-charging.json': import '../../grafana/en/joulo-charging.json',
    'joulo-sessions.json': import '../../grafana/en/joulo-sessions.json',
    'joulo-exporter.json': import '../../grafana/en/joulo-exporter.json',
  },
}
