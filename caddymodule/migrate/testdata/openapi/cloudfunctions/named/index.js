const cloud = require('wx-server-sdk')

cloud.init()

exports.main = async event => {
  return cloud.openapi[event.family][event.name](event.args)
}
