"""The MQTT door: subscribes at the city's brokers and takes in what gateways publish there."""
