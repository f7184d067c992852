import { IsShortText } from '../api/dto/short-text.js';

/** Which device a form means. */
export class DeviceDto {
  @IsShortText()
  readonly id!: string;
}
