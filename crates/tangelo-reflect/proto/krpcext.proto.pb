
²
krpcext.protokrpc google/protobuf/descriptor.proto"Ô
Validate
required (Rrequired
match (	Rmatch
values (	Rvalues
length (	Rlength
nrange (	Rnrange
srange (	Rsrange
arrlen (	Rarrlen$
empty_or_match (	RemptyOrMatch&
empty_or_values	 (	RemptyOrValues&
empty_or_length
 (	RemptyOrLength&
empty_or_nrange (	RemptyOrNrange&
empty_or_srange (	RemptyOrSrange&
empty_or_arrlen (	RemptyOrArrlen
retCode (RretCode
retMsg (	RretMsg"œ
Gicl
field (	Rfield
default (	Rdefault
dynamic (Rdynamic$
dynamicValues (	RdynamicValues
compare (	Rcompare
must (Rmust
any (Rany
sortable (Rsortable
	sensitive	 (R	sensitive
minRows
 (RminRows
key (Rkey:?
	serviceId.google.protobuf.ServiceOptionsÑ† (R	serviceId:6
msgId.google.protobuf.MethodOptionsÒ† (RmsgId:A
vld.google.protobuf.FieldOptionsÓ† (2.krpc.ValidateRvld:?
gicl.google.protobuf.FieldOptionsÕ† (2
.krpc.GiclRgiclbproto3