const cloud = require('wx-server-sdk')

cloud.init()

exports.main = async event => {
  const { list } = await cloud.getOpenData({ list: [event.cloudID] })
  return list[0].data.phoneNumber
}
