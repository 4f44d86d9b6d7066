const cloud = require('wx-server-sdk')

cloud.init()

exports.main = async event => {
  const security = cloud.openapi.security
  return security.msgSecCheck({ content: event.text, version: 2, scene: 2, openid: cloud.getWXContext().OPENID })
}
