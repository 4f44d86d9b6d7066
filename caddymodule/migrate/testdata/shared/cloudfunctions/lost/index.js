const cloud = require('wx-server-sdk')
const moment = require('moment')
exports.main = async () => moment().format()
