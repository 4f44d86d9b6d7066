const db = wx.cloud.database()
Page({ load: () => db.collection('orders').get() })
