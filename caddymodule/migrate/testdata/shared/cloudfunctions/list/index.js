const db = require('../common/db')
exports.main = async () => db.collection('orders').get()
