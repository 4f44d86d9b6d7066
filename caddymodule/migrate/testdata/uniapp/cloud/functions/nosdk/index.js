exports.main = () => wx.cloud.database().collection('a').count()
