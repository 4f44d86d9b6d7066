exports.main = async event => ({ ran: event.TriggerName })
