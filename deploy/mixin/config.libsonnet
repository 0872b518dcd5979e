// What can be changed without editing the rules.
{
  _config+:: {
    // Replaces the selector of the exporter's job in every expression.
    jouloSelector: 'job=~".*joulo.*"',

    // Put before `docs/runbooks/…` in runbook_url, such as the address of your copy of these pages.
    runbookPrefix: '',

    // By alert, what to merge into it: { JouloChargerOffline: { 'for': '2h', labels+: { severity: 'info' } } }.
    alerts: {},

    // Alerts to leave out, by name.
    without: [],

    // Whether the alerts about credits are there too.
    optional: false,
  },
}
