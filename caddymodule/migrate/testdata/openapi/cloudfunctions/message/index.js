const cloud = require('wx-server-sdk')

cloud.init()

exports.main = async event => {
  return cloud.openapi.subscribeMessage.send({ touser: event.touser, templateId: 'made-up', data: { thing1: { value: 'x' } } })
}
