const cloud = require('wx-server-sdk')

cloud.init()

exports.main = async event => {
  return cloud.openapi.templateMessage.send({})
}
