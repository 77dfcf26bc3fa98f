
§
accountservice.protoaccountservicekrpcext.proto"[
Session
	loginFlag (	R	loginFlag
userId (	RuserId
userName (	RuserName"C
	SignInReq
userName (	RuserName
password (	Rpassword"p
	SignInRes
retCode (RretCode
retMsg (	RretMsg1
session (2.accountservice.SessionRsession"

SignOutReq"q

SignOutRes
retCode (RretCode
retMsg (	RretMsg1
session (2.accountservice.SessionRsession";
MeReq
userId (	RuserId
userName (	RuserName"m
MeRes
retCode (RretCode
retMsg (	RretMsg
userId (	RuserId
userName (	RuserName"l
File
filename (	Rfilename 
contentType (	RcontentType
size (Rsize
file (	Rfile"O
	UploadReq
userId (	RuserId*
files (2.accountservice.FileRfiles"≥
	UploadRes
retCode (RretCode
retMsg (	RretMsg:
sizes (2$.accountservice.UploadRes.SizesEntryRsizes8

SizesEntry
key (	Rkey
value (Rvalue:8"%
CardReq
userName (	RuserName"ü
CardRes
retCode (RretCode
retMsg (	RretMsg&
downloadStream (RdownloadStream
filename (	Rfilename

attachment (R
attachment2Â
AccountServiceD
signIn.accountservice.SignInReq.accountservice.SignInRes"êµG
signOut.accountservice.SignOutReq.accountservice.SignOutRes"êµ8
me.accountservice.MeReq.accountservice.MeRes"êµD
upload.accountservice.UploadReq.accountservice.UploadRes"êµ>
card.accountservice.CardReq.accountservice.CardRes"êµàµebproto3