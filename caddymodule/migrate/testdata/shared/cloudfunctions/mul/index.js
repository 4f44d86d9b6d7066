const { ok } = require('../common/reply')
exports.main = async event => ok({ product: event.a * event.b })
