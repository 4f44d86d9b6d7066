const cloud = require('wx-server-sdk')

cloud.init()

exports.main = async event => {
  const { contentType, buffer } = await cloud.openapi.wxacode.getUnlimited({ scene: 'a=1' })
  return { contentType, png: buffer.subarray(1, 4).toString() }
}
