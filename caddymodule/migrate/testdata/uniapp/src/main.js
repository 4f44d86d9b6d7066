wx.cloud.init()
