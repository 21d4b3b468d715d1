"""How the city thinks: values, detectors, rules, alarms. Pure code: no broker, store, web server or clock."""
