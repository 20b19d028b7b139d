/** Numbers that signed payloads and orders contain, as the contracts define them. */
import {
    ActionLeave,
    ActionRefund,
    TagAccept,
    TagDecline,
    TagFail,
    TagJob,
    TagJobOrder,
    TagOpenJobs,
    TagResult,
    TagVerdict,
    TagVoucher,
} from '../../build/Escrow/Escrow_Escrow';

/** Tags of signed payloads by their Tact name, such as `tags.TagVoucher`. */
export const tags = {
    TagVoucher: Number(TagVoucher),
    TagOpenJobs: Number(TagOpenJobs),
    TagJobOrder: Number(TagJobOrder),
    TagJob: Number(TagJob),
    TagAccept: Number(TagAccept),
    TagResult: Number(TagResult),
    TagDecline: Number(TagDecline),
    TagFail: Number(TagFail),
    TagVerdict: Number(TagVerdict),
} as const;

/** What a JobOrder may ask of a running job. */
export const jobActions = {
    leave: Number(ActionLeave),
    refund: Number(ActionRefund),
} as const;
