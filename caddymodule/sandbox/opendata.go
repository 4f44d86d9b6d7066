package sandbox

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// cloudIDLife is how long a CloudID is valid (WeChat's document of open data).
const cloudIDLife = 5 * time.Minute

// usableOpenID is what the sandbox takes for an openid; WeChat's have 28 of these characters.
var usableOpenID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// errOpenID is the error of a control request or Go call with an openid that no user could have.
var errOpenID = errors.New("openid must be 1 to 64 of the characters A-Z a-z 0-9 _ -")

// OpenData says which CloudID to mint.
type OpenData struct {
	// OpenID is the user it belongs to: 1 to 64 of the characters A-Z a-z 0-9 _ -.
	OpenID string

	// Kind is "werun", "phone", "userinfo" or "share". It may be left out when Data is given.
	Kind string

	// Data is the JSON text to return as the open data, byte for byte. The default is plausible open data of the
	// kind, the same for every CloudID of one user, with a watermark that bears the AppID of the token that asks and
	// the time of asking.
	Data []byte

	// TTL is how long the CloudID is valid: five minutes if zero; if negative, it has expired already.
	TTL time.Duration
}

// minted is a CloudID that was issued. It is kept after it expired, so that it is known as expired.
type minted struct {
	openid  string
	kind    string
	data    []byte // nil: made up when asked for
	ttl     time.Duration
	expires time.Time
}

// documented holds the CloudIDs that WeChat's documentation prints. They are valid for every user and never end, so that
// an example works as pasted. "APPID" is replaced by the AppID of the token that asks.
var documented = map[string]string{
	"27_Ih-9vxDaOhIbh48Bdpk90DUkUoNMAPaNtg7OSGM-P2wPEk1NbspjKGoql_g": `{"stepInfoList":[{"timestamp":1571673600,"step":9103}],` +
		`"watermark":{"appid":"APPID","timestamp":1574338655}}`,
	"39_JeXrSGN2VA0oq32eDIrs4Ww_H-8uK0NkGYZ5RMYmFhpoyJUoCx2oRU7qzuQ": `{"openGId":"tGDAqZ5LmSk1Xv0bTn7uWc4RyEoJ"}`,
	"46_xfdrNJQu82wXb7UoifzXVDV5hCvfo0Au0-1hLR48a-a9_8-v7i8_OpNI0uc": `{"phoneNumber":"13580006666","purePhoneNumber":"13580006666",` +
		`"countryCode":"86","watermark":{"appid":"APPID","timestamp":1574338655}}`,
}

// kinds makes up the open data of each kind; the shapes are those of WeChat's documentation.
var kinds = map[string]func(openid, unionid string, mark watermark) any{
	"werun":    weRun,
	"phone":    phone,
	"userinfo": userInfo,
	"share":    share,
}

// check returns an error for open data that no client could get.
func (d OpenData) check() error {
	if !usableOpenID.MatchString(d.OpenID) {
		return errOpenID
	}
	if _, ok := kinds[d.Kind]; !ok && (d.Kind != "" || d.Data == nil) {
		return fmt.Errorf("kind is %q, which must be one of werun, phone, userinfo, share", d.Kind)
	}
	// Invalid UTF-8 could not be carried byte for byte inside of a JSON string.
	if d.Data != nil && (!json.Valid(d.Data) || !utf8.Valid(d.Data)) {
		return errors.New("data is no valid JSON in UTF-8: give one JSON value or leave it out")
	}
	return nil
}

// MintLike makes a CloudID of the same user, kind and data as another, and as long valid as that one was, which may have expired.
// WeChat's documented CloudIDs never expire: they are returned as they are.
func (s *Server) MintLike(id string) (string, error) {
	if _, ok := documented[id]; ok {
		return id, nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, ok := s.cloudIDs[id]
	if !ok {
		return "", errors.New("like is no CloudID that the sandbox has minted since its start or the last reset")
	}
	m.expires = s.Now().Add(m.ttl)
	fresh := newCloudID()
	s.cloudIDs[fresh] = m
	return fresh, nil
}

// MintCloudID makes a CloudID of WeChat's form, to be exchanged by getopendata.
func (s *Server) MintCloudID(d OpenData) (string, error) {
	if err := d.check(); err != nil {
		return "", err
	}
	if d.TTL == 0 {
		d.TTL = cloudIDLife
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id := newCloudID()
	s.cloudIDs[id] = minted{openid: d.OpenID, kind: d.Kind, data: slices.Clone(d.Data), ttl: d.TTL, expires: s.Now().Add(d.TTL)}
	return id, nil
}

func newCloudID() string {
	return "99_" + randomString(59)
}

// item is one element of the response's data_list.
type item struct {
	cloudID string
	json    string
	object  bool // json is sent as it is, not as a string
}

// getOpenData plays POST /wxa/getopendata.
func (s *Server) getOpenData(c call) []byte {
	appid, openid, errcode := s.caller(c)
	if errcode != 0 {
		return fail(errcode)
	}
	ids, errcode := cloudIDList(c.body)
	if errcode != 0 {
		return fail(errcode)
	}
	items := make([]item, 0, len(ids))
	for _, id := range ids {
		items = append(items, item{cloudID: id, json: s.openData(id, appid, openid)})
	}
	return dataList(distortItems(items, c.fault))
}

// caller returns the AppID and openid that a call's query names, or the errcode for a query that names none.
func (s *Server) caller(c call) (appid, openid string, errcode int) {
	appid, errcode = s.tokenApp(c.query.Get("access_token"))
	if errcode != 0 {
		return "", "", errcode
	}
	openid = c.query.Get("openid")
	if !usableOpenID.MatchString(openid) {
		return "", "", errInvalidOpenID
	}
	return appid, openid, 0
}

// cloudIDList reads the body of a getopendata call, or returns the errcode for it.
func cloudIDList(body []byte) ([]string, int) {
	var list []*string // pointers, to tell null from a string
	if errcode := members(body, map[string]any{"cloudid_list": &list}); errcode != 0 {
		return nil, errcode
	}
	if len(list) == 0 || slices.Contains(list, nil) {
		return nil, errInvalidArgs
	}
	ids := make([]string, 0, len(list))
	for _, id := range list {
		ids = append(ids, *id)
	}
	return ids, 0
}

// openData returns the JSON text for one CloudID: its open data or its error.
func (s *Server) openData(id, appid, openid string) string {
	if text, ok := documented[id]; ok {
		return success(id, strings.ReplaceAll(text, `"APPID"`, string(mustJSON(appid))))
	}
	m, ok := s.cloudIDs[id]
	if !ok {
		return failure(id, errInvalidCloudID)
	}
	now := s.Now()
	if !now.Before(m.expires) {
		return failure(id, errCloudIDEnded)
	}
	if m.openid != openid {
		return failure(id, errOtherUser)
	}
	if m.data != nil {
		return success(id, string(m.data))
	}
	return success(id, string(mustJSON(kinds[m.kind](openid, s.unionIDs[openid], watermark{appid, now.Unix()}))))
}

// success is put together by hand since encoding/json would compact the data.
func success(id, data string) string {
	return `{"cloudID":` + string(mustJSON(id)) + `,"data":` + data + `}`
}

func failure(id string, errcode int) string {
	return string(mustJSON(struct {
		CloudID string `json:"cloudID"`
		ErrCode int    `json:"errCode"`
		ErrMsg  string `json:"errMsg"`
	}{id, errcode, messages[errcode]}))
}

// dataList is the response to a call that did not fail as a whole.
func dataList(items []item) []byte {
	b := []byte(`{"errcode":0,"errmsg":"ok","data_list":[`)
	for i, it := range items {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, `{"cloud_id":`...)
		b = append(b, mustJSON(it.cloudID)...)
		b = append(b, `,"json":`...)
		if it.object {
			b = append(b, it.json...)
		} else {
			b = append(b, mustJSON(it.json)...)
		}
		b = append(b, '}')
	}
	return append(b, `]}`...)
}

// watermark says for which app and when open data was given; the time is in seconds.
type watermark struct {
	AppID     string `json:"appid"`
	Timestamp int64  `json:"timestamp"`
}

// weRun makes up the steps of the last 31 days, each stamped with its midnight in China.
func weRun(openid, _ string, mark watermark) any {
	type stepInfo struct {
		Timestamp int64 `json:"timestamp"`
		Step      int   `json:"step"`
	}
	const days, day = 31, 24 * 60 * 60
	china := int64(8 * 60 * 60) // ahead of UTC, without daylight saving
	today := (mark.Timestamp+china)/day*day - china
	seed := sha256.Sum256([]byte(openid))
	steps := make([]stepInfo, 0, days)
	for i := range days {
		steps = append(steps, stepInfo{today - int64(days-1-i)*day, 1000 + int(seed[i])*50})
	}
	return struct {
		StepInfoList []stepInfo `json:"stepInfoList"`
		Watermark    watermark  `json:"watermark"`
	}{steps, mark}
}

func phone(openid, _ string, mark watermark) any {
	seed := sha256.Sum256([]byte(openid))
	number := fmt.Sprintf("1358%03d%04d", int(seed[0]), (int(seed[1])<<8|int(seed[2]))%10000)
	return struct {
		PhoneNumber     string    `json:"phoneNumber"`
		PurePhoneNumber string    `json:"purePhoneNumber"`
		CountryCode     string    `json:"countryCode"`
		Watermark       watermark `json:"watermark"`
	}{number, number, "86", mark}
}

func userInfo(openid, unionid string, mark watermark) any {
	return struct {
		OpenID    string    `json:"openId"`
		NickName  string    `json:"nickName"`
		Gender    int       `json:"gender"`
		City      string    `json:"city"`
		Province  string    `json:"province"`
		Country   string    `json:"country"`
		AvatarURL string    `json:"avatarUrl"`
		UnionID   string    `json:"unionId,omitempty"`
		Watermark watermark `json:"watermark"`
	}{
		OpenID: openid, NickName: "微信用户", Gender: 1, AvatarURL: "https://thirdwx.qlogo.cn/mmopen/vi_32/sandbox/132",
		UnionID: unionid, Watermark: mark,
	}
}

func share(openid, _ string, mark watermark) any {
	seed := sha256.Sum256([]byte(openid))
	return struct {
		OpenGID   string    `json:"openGId"`
		Watermark watermark `json:"watermark"`
	}{"tG" + base64.RawURLEncoding.EncodeToString(seed[:])[:26], mark}
}
