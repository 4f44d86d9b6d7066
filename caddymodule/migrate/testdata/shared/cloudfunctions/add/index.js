const { ok, who } = require('../common/reply')
exports.main = async event => ok({ sum: event.a + event.b, who: who() })
